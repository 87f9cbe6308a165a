"""Reading a million rows: our validated loader beside what the fastest readers need only to parse; and bulk pricing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import checked_error, dollar_tolerance, prices_in_float64
from pricebench.artifacts import Artifacts
from pricebench.data import load_dataset, make_houses

NUM_ROWS = 1_000_000
SMALL_ROWS = 100_000

READERS: dict[str, Callable[[Path], object]] = {
    "pricebench": load_dataset,
    "pyarrow": pacsv.read_csv,
    "polars": pl.read_csv,
    "pandas": pd.read_csv,
    "duckdb": lambda path: duckdb.read_csv(str(path)).to_arrow_table(),
}


@pytest.fixture(scope="session")
def big_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million generated houses as CSV, full precision."""
    return _write(tmp_path_factory.mktemp("houses") / "houses.csv", NUM_ROWS)


def _write(path: Path, num_rows: int) -> Path:
    pacsv.write_csv(pa.Table.from_pandas(make_houses(num_rows).frame()), path)
    return path


def no_model(workload: str, path: Path) -> dict[str, object]:
    """The `extra_info` of a case whose work is not a module's."""
    return {
        "workload": workload,
        "mode": None,
        "shape": "million",
        "rows": NUM_ROWS,
        "device": "cpu",
        "dtype": "float64",
        "threads": pa.cpu_count(),
        "flop": None,
        "bytes": path.stat().st_size,
    }


@pytest.mark.parametrize("reader", list(READERS))
def test_load_csv(benchmark: BenchmarkFixture, reader: str, big_csv: Path) -> None:
    """Parse a million rows; ours also validates. The rivals' fastest is the reference."""
    benchmark.extra_info.update(
        no_model("load_csv", big_csv), role="ours" if reader == "pricebench" else "rival", max_abs_error=None
    )

    table = benchmark.pedantic(READERS[reader], args=(big_csv,), rounds=9, warmup_rounds=1)

    if reader == "pricebench":
        assert table.num_rows == NUM_ROWS
        assert table.digest() == make_houses(NUM_ROWS).digest()


def test_price_csv(benchmark: BenchmarkFixture, big_csv: Path, artifacts: Artifacts, tmp_path: Path) -> None:
    """`pricebench predict` on a million rows, as a user runs it; memory must not grow with the file."""
    artifacts.model.cpu()
    artifacts.save(tmp_path / "artifacts")
    small_csv = _write(tmp_path / "small.csv", SMALL_ROWS)
    _, small_peak = _price(small_csv, tmp_path)

    rows, peak = benchmark.pedantic(_price, args=(big_csv, tmp_path), rounds=1)

    assert rows == NUM_ROWS
    benchmark.extra_info.update(
        no_model("price_csv", big_csv) | {"mode": "eager"},
        max_abs_error=_error_of(tmp_path, artifacts),
        peak_rss_bytes=peak,
        peak_rss_bytes_of_100k_rows=small_peak,
    )


def _error_of(folder: Path, artifacts: Artifacts) -> float:
    """Largest difference in dollars between the first priced rows and the model in float64; prices are in cents."""
    rows = 1000
    priced = torch.from_numpy(pd.read_csv(folder / "priced.csv", nrows=rows)["predicted_price"].to_numpy(copy=True))
    expected = prices_in_float64(artifacts, make_houses(NUM_ROWS).features_NF[:rows])
    return checked_error(priced, expected, tolerance=0.01 + dollar_tolerance(artifacts))


def _price(source: Path, folder: Path) -> tuple[int, int]:
    """Price a file in a process of its own; returns rows written and the process's peak resident bytes."""
    out = folder / "priced.csv"
    command = [sys.executable, "-m", "pricebench", "predict", str(source)]
    command += ["--artifacts", str(folder / "artifacts"), "--out", str(out)]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.peak_memory", *command],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    with out.open("rb") as file:
        return sum(1 for _ in file) - 1, int(finished.stdout)
