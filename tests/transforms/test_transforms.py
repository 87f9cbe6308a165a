from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from pricebench.cli import main
from pricebench.errors import ModeError
from pricebench.serving import Predictor
from pricebench.transforms import TRANSFORMS, transformed
from tests.server import save_artifacts
from tests.serving import exact_dollars, untrained_artifacts
from tests.serving.test_predictor import HOUSES

PAGE = (Path(__file__).parents[2] / "docs" / "transformations.md").read_text(encoding="utf-8")


def test_the_pages_example_does_what_the_page_says():
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    made = {"__name__": "example"}

    exec(compile(example, "transformations.md", "exec"), made)  # noqa: S102 - our own page

    assert f"`told` is `{made['told']}`" in PAGE
    x = torch.randn(3, 5)
    assert torch.equal(made["checked"](x), made["model"](x))
    with pytest.raises(ValueError, match="0 gave a value that is not finite") as error:
        made["checked"](torch.full((1, 5), float("inf")))
    assert f"`{error.value}`" in PAGE


def test_the_page_has_a_row_for_each():
    first, _, _ = PAGE.partition("\n## ")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", first, re.MULTILINE)

    assert rows == [(each.name, each.summary, each.keeps) for each in TRANSFORMS]


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ModeError, match=r"No transformation is called 'fold'.*Known: fold_normalization"):
        transformed(torch.nn.ReLU(), torch.ones(1), ["fold"])


@pytest.mark.parametrize("mode", ["eager", "torchscript", "fx"])
def test_a_predictor_in_any_mode_prices_the_same_with_folded_z_scores(mode):
    artifacts = untrained_artifacts()
    exact_N, _ = exact_dollars(artifacts, HOUSES)

    predictor = Predictor(artifacts, mode=mode, transforms=["fold_normalization"])

    # A dollar: raw features are rounded to float32 (docs/transformations.md).
    assert abs(predictor.predict(HOUSES) - exact_N).max() < 1.0
    (told,) = predictor.transformations
    assert told.startswith(
        "fold_normalization: z-scores of 5 features folded into model.hidden1; the scale of the answer"
    )


def test_predict_and_modes_take_transformations(tmp_path, capsys):
    save_artifacts(tmp_path)
    house = ["--income=68000", "--house-age=6", "--rooms=7", "--bedrooms=4", "--population=36000"]

    with pytest.raises(SystemExit):
        main(["predict", "--artifacts", str(tmp_path), "--json", "--transforms", "fold_normalization", *house])
    priced = capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["modes", "--show", "fx", "--transforms", "fold_normalization"])
    shown = capsys.readouterr()

    assert json.loads(priced.out)["price"] == pytest.approx(
        Predictor(untrained_artifacts()).predict(
            torch.tensor([[68000.0, 6, 7, 4, 36000]], dtype=torch.float64).numpy()
        )[0],
        abs=1.0,
    )
    assert "fold_normalization: z-scores of 5 features folded" in priced.err
    assert "fold_normalization: nothing in this model is for it" in shown.err
    assert "def forward" in shown.out
