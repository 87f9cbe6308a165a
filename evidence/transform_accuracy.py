"""What transformations cost on real data: R², RMSE in dollars, the largest change of a price.

    python -m evidence.transform_accuracy FILE.csv ...     trains on each, writes reports/training/transforms.json
    python -m evidence.transform_accuracy                  docs/transformations.md from that report

Trained and scored as `pricebench train` does by default: the rows that are scored were held out.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

from pricebench.units import format_dollars

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "transformations.md"
REPORT = ROOT / "reports" / "training" / "transforms.json"
_BLOCK = re.compile(r"<!-- accuracy -->\n.*?<!-- end of accuracy -->\n", re.DOTALL)


def main(files: list[str]) -> int:
    """Measure, or write the page."""
    if files:
        REPORT.write_text(json.dumps([_measured(Path(file)) for file in files], indent=1) + "\n")
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _measured(file: Path) -> dict[str, Any]:
    from pricebench.data import load_dataset, train_test_split  # noqa: PLC0415 - torch, only where it is measured
    from pricebench.serving import Predictor  # noqa: PLC0415
    from pricebench.training import TrainingConfig, train  # noqa: PLC0415
    from pricebench.training.metrics import score  # noqa: PLC0415
    from pricebench.transforms import TRANSFORMS  # noqa: PLC0415

    dataset, config = load_dataset(file), TrainingConfig()
    artifacts = train(dataset, config).artifacts
    _, held_out = train_test_split(dataset, test_size=config.test_size, seed=config.split_seed)
    plain_N = Predictor(artifacts).predict(held_out.features_NF)
    base = score(held_out.price_N, plain_N)
    able = [each.name for each in TRANSFORMS if each.missing() is None]
    rows = []
    for names in [*((name,) for name in able), *combinations([name for name in able if name != "pad_to_bucket"], 2)]:
        predictor = Predictor(artifacts, transforms=names)
        if any("nothing in this model" in told for told in predictor.transformations):
            continue
        price_N = predictor.predict(held_out.features_NF)
        found = score(held_out.price_N, price_N)
        rows.append(
            {
                "transforms": "+".join(names),
                "r2": found.r2 - base.r2,
                "rmse": found.rmse - base.rmse,
                "largest": float(abs(price_N - plain_N).max()),
            }
        )
    return {
        "data": file.name,
        "rows": held_out.num_rows,
        "r2": base.r2,
        "rmse": base.rmse,
        "mean": float(held_out.price_N.mean()),
        "transforms": rows,
    }


def rendered(text: str) -> str:
    """The page with its table made anew from the report."""
    return _BLOCK.sub(
        lambda _: f"<!-- accuracy -->\n{table(json.loads(REPORT.read_text()))}<!-- end of accuracy -->\n", text
    )


def table(report: list[dict[str, Any]]) -> str:
    """A row per transformation, three columns per data set."""
    titles = [f"{each['data']}: R² | RMSE | largest change of a price" for each in report]
    lines = [f"| transformation | {' | '.join(titles)} |", f"|---|{'---:|' * 3 * len(report)}"]
    names = dict.fromkeys(row["transforms"] for each in report for row in each["transforms"])
    for name in names:
        cells = []
        for each in report:
            row = next((row for row in each["transforms"] if row["transforms"] == name), None)
            cells += (
                ["-"] * 3 if row is None else [f"{row['r2']:+.1e}", _dollars(row["rmse"]), _dollars(row["largest"])]
            )
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    told = "; ".join(
        f"{each['data']}: {each['rows']:,} held-out rows, R² {each['r2']:.4f}, RMSE {format_dollars(each['rmse'])}, "
        f"mean price {format_dollars(each['mean'])}"
        for each in report
    )
    return "\n".join([*lines, "", f"Changes against eager without any. {told}."]) + "\n"


def _dollars(amount: float) -> str:
    return f"{amount:+.2f} $" if abs(amount) < 100 else f"{amount:+,.0f} $"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
