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
from pytest_benchmark.fixture import BenchmarkFixture

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


@pytest.mark.parametrize("reader", list(READERS))
def test_load_csv(benchmark: BenchmarkFixture, reader: str, big_csv: Path) -> None:
    """Parse a million rows; ours also validates. The rivals' fastest is the reference."""
    benchmark.extra_info.update(
        workload="load_csv",
        rows=NUM_ROWS,
        bytes=big_csv.stat().st_size,
        role="ours" if reader == "pricebench" else "rival",
    )

    table = benchmark.pedantic(READERS[reader], args=(big_csv,), rounds=9, warmup_rounds=2)

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
        workload="price_csv", rows=NUM_ROWS, peak_rss_bytes=peak, peak_rss_bytes_of_100k_rows=small_peak
    )


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
