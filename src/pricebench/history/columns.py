"""Files become rows of the index: what tables and charts need of a run, without its raw samples.

One row a file, with the run's benchmarks as a list inside it. A file that is no run has a reason and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pricebench.history.reader import parse_run
from pricebench.history.records import Benchmark, HistoryError, Run

_BENCHMARK = {
    "benchmark": pa.string(),
    "function": pa.string(),
    "params": pa.list_(pa.string()),
    "group": pa.string(),
    "mode": pa.string(),
    "shape": pa.string(),
    "device": pa.string(),
    "timer": pa.string(),
    "rows": pa.int64(),
    "rounds": pa.int64(),
    "iterations": pa.int64(),
    "median": pa.float64(),
    "iqr": pa.float64(),
    "min": pa.float64(),
    "max": pa.float64(),
    "mean": pa.float64(),
    "stddev": pa.float64(),
    "q1": pa.float64(),
    "q3": pa.float64(),
}
_RUN = {
    "path": pa.string(),
    "stamp": pa.string(),
    "reason": pa.string(),
    "stored_at": pa.timestamp("us", tz="UTC"),
    "datetime": pa.string(),
    "fingerprint": pa.string(),
    "facts": pa.string(),
    "commit": pa.string(),
    "branch": pa.string(),
    "commit_time": pa.string(),
    "is_dirty": pa.bool_(),
    "version": pa.string(),
    "data": pa.string(),
    "warnings": pa.list_(pa.string()),
}
_LIST = "benchmarks"
SCHEMA = pa.schema([*_RUN.items(), (_LIST, pa.list_(pa.struct(list(_BENCHMARK.items()))))])


def rows_of(files: Iterable[tuple[str, str, bytes | str]]) -> pa.RecordBatch:
    """The rows of some files.

    Args:
        files: Path, stamp, and the content or the reason why there is none.
    """
    runs: dict[str, list[Any]] = {name: [] for name in _RUN}
    measured: dict[str, list[Any]] = {name: [] for name in _BENCHMARK}
    offsets = [0]
    for path, stamp, content in files:
        row: dict[str, Any] = {"path": path, "stamp": stamp}
        try:
            run = _run_of(content)
        except HistoryError as error:
            row["reason"] = str(error)
        else:
            row |= _run_row(run)
            for benchmark in run.benchmarks:
                _append(measured, _benchmark_row(benchmark))
        _append(runs, row)
        offsets.append(len(measured["benchmark"]))
    columns = [pa.array(runs[name], kind) for name, kind in _RUN.items()]
    inner = [pa.array(measured[name], kind) for name, kind in _BENCHMARK.items()]
    lists = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.StructArray.from_arrays(inner, fields=list(SCHEMA.field(_LIST).type.value_type)),
    )
    return pa.record_batch([*columns, lists], schema=SCHEMA)


def _run_of(content: bytes | str) -> Run:
    if isinstance(content, str):
        raise HistoryError(content)
    return parse_run(content, with_samples=False)


def _append(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for name, column in columns.items():
        column.append(row.get(name))


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "stored_at": run.stored_at,
        "datetime": run.datetime,
        "fingerprint": run.machine,
        "facts": json.dumps(run.facts),
        "commit": run.commit,
        "branch": run.branch,
        "commit_time": run.commit_time,
        "is_dirty": run.is_dirty,
        "version": run.version,
        "data": run.data,
        "warnings": list(run.warnings),
    }


def _benchmark_row(benchmark: Benchmark) -> dict[str, Any]:
    extra = benchmark.extra_info
    rows = extra.get("rows")
    return {
        "benchmark": benchmark.fullname,
        "function": benchmark.function,
        "params": benchmark.params,
        "group": benchmark.group,
        "mode": _text(extra.get("mode")),
        "shape": _text(extra.get("shape")),
        "device": _text(extra.get("device")),
        "timer": benchmark.timer,
        "rows": rows if isinstance(rows, int) and 0 <= rows < 2**63 else None,
        "rounds": benchmark.rounds,
        "iterations": benchmark.iterations,
        "median": benchmark.median,
        "iqr": benchmark.iqr,
        "min": benchmark.minimum,
        "max": benchmark.maximum,
        "mean": benchmark.mean,
        "stddev": benchmark.stddev,
        "q1": benchmark.q1,
        "q3": benchmark.q3,
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
