"""Whether a training ends as well when another library multiplies, or bfloat16: R² on held-out rows, seed by seed.

    python -m evidence.matmul_accuracy FILE.csv ...     trains on each with each seed, goes on where it stopped
    python -m evidence.matmul_accuracy                  docs/the-model.md from reports/training/matmul.json

Everything but `--matmul` is the default of `pricebench train`.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pricebench.units import format_dollars

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "the-model.md"
REPORT = ROOT / "reports" / "training" / "matmul.json"
REFERENCE = "torch"
_SEEDS = range(3)
_BLOCK = re.compile(r"<!-- accuracy -->\n.*?<!-- end of accuracy -->\n", re.DOTALL)


def main(files: list[str]) -> int:
    """Measure what is not known yet, or write the page."""
    rows = json.loads(REPORT.read_text()) if REPORT.is_file() else []
    for row in _measured([Path(file) for file in files], known=[_key(row) for row in rows]):
        rows.append(row)
        REPORT.write_text(json.dumps(rows, indent=1) + "\n")
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["data"], row["seed"], row["matmul"]


def _measured(files: list[Path], known: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    from pricebench.data import load_dataset  # noqa: PLC0415 - torch, only where it is measured
    from pricebench.errors import PricebenchError  # noqa: PLC0415
    from pricebench.matmul import AUTO, CHOICES, chosen  # noqa: PLC0415
    from pricebench.training import TrainingConfig, train  # noqa: PLC0415

    for matmul in CHOICES:
        if matmul == AUTO:
            continue
        try:
            chosen(matmul)
        except PricebenchError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        for file in files:
            dataset = load_dataset(file)
            for seed in _SEEDS:
                if (file.name, seed, matmul) not in known:
                    found = train(dataset, TrainingConfig(seed=seed, matmul=matmul)).metrics
                    yield {"data": file.name, "seed": seed, "matmul": matmul} | {
                        key: found[key] for key in ("r2", "rmse")
                    }


def rendered(text: str) -> str:
    """The page with its table made anew from the report."""
    report = json.loads(REPORT.read_text())
    return _BLOCK.sub(lambda _: f"<!-- accuracy -->\n{table(report)}<!-- end of accuracy -->\n", text)


def table(rows: list[dict[str, Any]]) -> str:
    """A row per choice; of each data set the mean, its change, and what seeds differ by."""
    names, files = (list(dict.fromkeys(row[key] for row in rows)) for key in ("matmul", "data"))
    lines = [
        f"| `--matmul` | {' | '.join(f'{file}: R², mean | change | RMSE, mean' for file in files)} |",
        f"|---|{'---:|' * 3 * len(files)}",
    ]
    for name in names:
        cells = []
        for file in files:
            found, base = (_of(rows, file, each) for each in (name, REFERENCE))
            changes = [found[seed]["r2"] - base[seed]["r2"] for seed in found]
            cells += [
                f"{statistics.fmean(row['r2'] for row in found.values()):.4f}",
                f"{statistics.fmean(changes):+.1e} ± {statistics.stdev(changes):.0e}" if name != REFERENCE else "-",
                format_dollars(statistics.fmean(row["rmse"] for row in found.values())),
            ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    spread = "; ".join(
        f"{file}: {statistics.stdev(row['r2'] for row in _of(rows, file, REFERENCE).values()):.0e}" for file in files
    )
    told = f"{len(_of(rows, files[0], REFERENCE))} seeds. The change is from the same seed, with its standard deviation"
    return (
        "\n".join(
            [*lines, "", f"{told} (ddof 1). R² of `torch` alone has this standard deviation between seeds: {spread}."]
        )
        + "\n"
    )


def _of(rows: list[dict[str, Any]], file: str, matmul: str) -> dict[int, dict[str, Any]]:
    return {row["seed"]: row for row in rows if row["data"] == file and row["matmul"] == matmul}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
