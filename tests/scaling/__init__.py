"""Houses in files, a model that was saved, and a job as the command line makes it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pricebench.data import FEATURES, make_houses
from pricebench.scaling.pricing import Pricing
from tests.serving import untrained_artifacts

HEADER = ",".join(FEATURES)
HOUSE = "68000,6,7,4.1,36000"


def write_parquet(path: Path, num_rows: int, *, seed: int, group_rows: int | None = None) -> Path:
    """Houses with a column of their own, in row groups of so many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    houses = make_houses(num_rows, seed=seed).features_NF
    table = pa.table(
        dict(zip(FEATURES, houses.T, strict=True)) | {"house": [f"{path.stem}-{row}" for row in range(1, num_rows + 1)]}
    )
    pq.write_table(table, path, row_group_size=group_rows)
    return path


def saved_model(folder: Path, *, seed: int = 3) -> Path:
    untrained_artifacts(seed).save(folder)
    return folder


def pricing_to(out: Path | str, artifacts: Path, *, keeps_bad_rows: bool = False) -> Pricing:
    return Pricing(
        model=Pricing.files_of(artifacts),
        exported=None,
        mode=None,
        transforms=(),
        threads=1,
        keeps_bad_rows=keeps_bad_rows,
        out=str(out),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Of the files of prices, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("prices-*"))}
