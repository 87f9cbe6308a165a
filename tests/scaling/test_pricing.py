from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from pricebench.data import FEATURES, make_houses
from tests.scaling import saved_model

MEBIBYTE = 2**20
# The most that Arrow, Python and numpy held at once, as they count it: what a process has resident differs from run to
# run by what its allocators keep.
PRICE = """
import sys
import tracemalloc
from pathlib import Path
import pyarrow as pa
from pricebench.scaling.pricing import price_shard
from pricebench.scaling.shards import cut, find
from tests.scaling import pricing_to
pricing = pricing_to("prices", Path("artifacts"), keeps_bad_rows=True)
(shard,) = cut(find(sys.argv[1:]), shard_rows=10**9)
predictor = pricing.predictor()
tracemalloc.start()
print(price_shard(pricing, predictor, shard).rows)
print(pa.default_memory_pool().max_memory() + tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_large_shard_takes_no_more_memory_than_a_small_one(tmp_path, pytestconfig, kind):
    # In one row group, which Arrow would take whole.
    houses = make_houses(50_000, seed=1).features_NF
    some = pa.table(dict(zip(FEATURES, houses.T, strict=True)) | {"note": ["some words about it"] * 50_000})
    saved_model(tmp_path / "artifacts")
    peaks = {}
    # The small one fills every buffer; half of what the large one has more would be seen.
    for name, copies in (("small", 6), ("large", 24)):
        table = pa.concat_tables([some] * copies).combine_chunks()
        path = tmp_path / f"{name}.{kind}"
        if kind == "parquet":
            pq.write_table(table, path, row_group_size=len(table), compression="none", use_dictionary=False)
        else:
            pacsv.write_csv(table, path)
        command = [sys.executable, "-c", PRICE, path.name]
        environment = {"PYTHONPATH": str(pytestconfig.rootpath), "PATH": ""}
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        num_rows, peaks[name] = map(int, ended.stdout.split())
        assert num_rows == len(table)

    assert (tmp_path / f"large.{kind}").stat().st_size > 70 * MEBIBYTE
    assert (peaks["large"] - peaks["small"]) / MEBIBYTE < 25
