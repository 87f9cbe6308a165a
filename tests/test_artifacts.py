from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pricebench.artifacts import (
    CALIBRATION_FILE,
    METRICS_FILE,
    MODEL_FILE,
    STATS_FILE,
    Artifacts,
    load_metrics,
    save_metrics,
)
from pricebench.errors import ArtifactError
from pricebench.model import MLP, MLPConfig, model_digest, save_model
from pricebench.normalization import TrainingStats
from pricebench.serving import Predictor
from pricebench.tensorfile import save_record

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden(tmp_path):
    """A folder with the golden pair of version 1."""
    shutil.copy(GOLDEN / "model_v1.pt", tmp_path / MODEL_FILE)
    shutil.copy(GOLDEN / "training_stats_v1.pt", tmp_path / STATS_FILE)
    return tmp_path


def retrained(folder):
    """The pair that another training on the same data would write."""
    model = MLP(MLPConfig(num_features=5, hidden=2), seed=8)
    stats = replace(TrainingStats.load(folder / STATS_FILE), model_digest=model_digest(model), num_rows=7)
    return Artifacts(model=model, stats=stats)


def test_the_golden_pair_of_version_1_prices_a_house_as_calculated_by_hand(golden):
    # The calculation stands in tests/golden/README.md.
    assert Predictor.load(golden).predict(np.array([[73728.0, 5, 6, 4, 32768]])).tolist() == [1_146_880.0]


def test_a_saved_pair_comes_back(golden):
    pair = retrained(golden)

    pair.save(golden / "new" / "folder")
    loaded = Artifacts.load(golden / "new" / "folder")

    assert model_digest(loaded.model) == model_digest(pair.model) == loaded.stats.model_digest
    assert loaded.stats.num_rows == 7
    assert sorted(path.name for path in (golden / "new" / "folder").iterdir()) == [MODEL_FILE, STATS_FILE]


def test_saving_again_replaces_the_pair(golden):
    retrained(golden).save(golden)

    assert Artifacts.load(golden).stats.num_rows == 7


def test_statistics_of_another_model_are_refused(golden):
    # Where a crash between the two files leaves off, and what mixing two folders makes.
    save_model(retrained(golden).model, golden / MODEL_FILE)

    with pytest.raises(ArtifactError, match=r"two that do not belong together\. Train again") as error:
        Artifacts.load(golden)
    assert "\n" not in str(error.value)


def test_a_model_of_another_training_is_refused(golden):
    retrained(golden).stats.save(golden / STATS_FILE)

    with pytest.raises(ArtifactError, match="two that do not belong together"):
        Artifacts.load(golden)


def test_a_model_with_another_number_of_features_is_refused(golden):
    model = MLP(MLPConfig(num_features=4, hidden=2))
    save_model(model, golden / MODEL_FILE)
    replace(TrainingStats.load(golden / STATS_FILE), model_digest=model_digest(model)).save(golden / STATS_FILE)

    with pytest.raises(ArtifactError, match="expected statistics for 4 features, found 5"):
        Artifacts.load(golden)


@pytest.mark.parametrize("name", [MODEL_FILE, STATS_FILE])
def test_half_a_pair_is_refused_by_the_name_of_what_lacks(golden, name):
    (golden / name).unlink()

    with pytest.raises(ArtifactError, match=f"{name}: expected .* found none"):
        Artifacts.load(golden)


@pytest.mark.parametrize("name", [MODEL_FILE, STATS_FILE])
def test_a_new_file_takes_the_place_of_the_old_one_and_is_not_written_into_it(golden, name):
    # What a reader that opened the old file sees, and what a crash at any byte leaves.
    old_bytes = (golden / name).read_bytes()
    (golden / "old").hardlink_to(golden / name)

    retrained(golden).save(golden)

    assert (golden / name).read_bytes() != old_bytes
    assert (golden / "old").read_bytes() == old_bytes


def test_what_a_crash_left_beside_the_pair_is_ignored(golden):
    (golden / f".{MODEL_FILE}.k1ll3d").write_bytes((golden / MODEL_FILE).read_bytes()[:1000])

    assert Artifacts.load(golden).stats.num_rows == 3600


def test_a_failure_between_the_two_files_leaves_a_pair_that_is_refused(golden):
    pair = retrained(golden)
    unwritable = replace(pair, stats=replace(pair.stats, data_digest=lambda: "no pickle takes a lambda"))

    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        unwritable.save(golden)

    with pytest.raises(ArtifactError, match="two that do not belong together"):
        Artifacts.load(golden)
    assert sorted(path.name for path in golden.iterdir()) == [MODEL_FILE, STATS_FILE]


def test_metrics_are_readable_json(tmp_path):
    save_metrics(tmp_path, {"r2": 0.9165, "data": "houses.csv", "config": {"seed": 0}})

    assert json.loads((tmp_path / METRICS_FILE).read_text()) == {
        "r2": 0.9165,
        "data": "houses.csv",
        "config": {"seed": 0},
    }


def test_metrics_come_back(tmp_path):
    save_metrics(tmp_path, {"r2": 0.5, "residual_quantiles": {"0.05": -1.0}})

    assert load_metrics(tmp_path) == {"r2": 0.5, "residual_quantiles": {"0.05": -1.0}}


@pytest.mark.parametrize(("content", "says"), [(None, "found none"), ("{", "cannot be read"), ("[1]", "JSON object")])
def test_missing_or_broken_metrics_are_refused_with_the_command(tmp_path, content, says):
    if content is not None:
        (tmp_path / METRICS_FILE).write_text(content)

    with pytest.raises(ArtifactError, match=f"{says}.*pricebench train"):
        load_metrics(tmp_path)


# ---- rows to calibrate on ------------------------------------------------------------------------------------------


def with_rows(pair, num_rows=3):
    return replace(pair, calibration=torch.arange(5.0 * num_rows, dtype=torch.float64).reshape(num_rows, 5))


def test_rows_of_training_come_back(golden):
    pair = with_rows(retrained(golden))

    pair.save(golden)

    assert torch.equal(Artifacts.load(golden).calibration, pair.calibration)


def test_an_older_folder_has_none(golden):
    assert Artifacts.load(golden).calibration is None


def test_rows_of_another_training_are_none_of_this_model(golden):
    with_rows(retrained(golden)).save(golden / "other")
    shutil.copy(golden / "other" / CALIBRATION_FILE, golden / CALIBRATION_FILE)

    assert Artifacts.load(golden).calibration is None


@pytest.mark.parametrize(
    "rows", [torch.zeros(3, 4, dtype=torch.float64), torch.zeros(3, 5), torch.full((1, 5), torch.nan).double(), 7]
)
def test_rows_that_cannot_be_features_are_refused(golden, rows):
    pair = retrained(golden)
    pair.save(golden)
    content = {"features_NF": rows, "model_digest": pair.stats.model_digest}
    save_record(golden / CALIBRATION_FILE, "pricebench.calibration", 1, content)

    with pytest.raises(ArtifactError, match=r"expected finite rows of 5 features, found something else\. Train"):
        Artifacts.load(golden)
