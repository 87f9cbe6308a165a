"""Files become rows of the index: what tables and charts need of a run, without its raw samples.

One row a file, with the run's numbers as a list inside it. The names beside them, its cases, are the same in most runs:
they are one text, stored once. A file that is no run has a reason and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import orjson
import pyarrow as pa

from pricebench.fields import as_object, each_in
from pricebench.history.reader import parse_json
from pricebench.history.records import HistoryError, Run, benchmark_fields, refusing_foreign, stated_workload

# What names a benchmark of a run, in the order of a case in the JSON of `cases`.
CASE = ("benchmark", "function", "params", "group", "mode", "shape", "device", "timer", "rows", "workload")
NUMBERS = {
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
_NUMBERS_OF = itemgetter(
    "rounds", "iterations", "median", "iqr", "minimum", "maximum", "mean", "stddev", "q1", "q3"
)  # in the order of NUMBERS
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_STRUCT = pa.struct(list(NUMBERS.items()))
SCHEMA = pa.schema([*_RUN.items(), ("cases", _REPEATED), ("benchmarks", pa.list_(_STRUCT))])


def rows_of(files: Iterable[tuple[str, str, bytes | str]]) -> pa.RecordBatch:
    """The rows of some files.

    Args:
        files: Path, stamp, and the content or the reason why there is none.
    """
    runs: dict[str, list[Any]] = {name: [] for name in _RUN}
    numbers: list[tuple[Any, ...]] = []
    cases, offsets = [], [0]
    for path, stamp, content in files:
        row: dict[str, Any] = {"path": path, "stamp": stamp}
        measured: list[dict[str, Any]] = []
        try:
            run, measured = _run_of(content)
        except HistoryError as error:
            row["reason"] = str(error)
        else:
            row |= _run_row(run)
        for name, column in runs.items():
            column.append(row.get(name))
        numbers += map(_NUMBERS_OF, measured)
        cases.append(orjson.dumps([_case(benchmark) for benchmark in measured]).decode())
        offsets.append(len(numbers))
    columns = [pa.array(runs[name], kind) for name, kind in _RUN.items()]
    by_name = zip(*numbers, strict=True) if numbers else ((),) * len(NUMBERS)
    inner = [pa.array(list(column), kind) for column, kind in zip(by_name, NUMBERS.values(), strict=True)]
    lists = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(inner, fields=list(_STRUCT))
    )
    return pa.record_batch([*columns, pa.array(cases, pa.string()).dictionary_encode(), lists], schema=SCHEMA)


def _run_of(content: bytes | str) -> tuple[Run, list[dict[str, Any]]]:
    if isinstance(content, str):
        raise HistoryError(content)
    parsed = parse_json(content)
    with refusing_foreign():
        whole = as_object(parsed)
        # The run without its benchmarks, which are not needed as records.
        return Run.from_json({**whole, "benchmarks": ()}), each_in(whole, "benchmarks", benchmark_fields)


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


def _case(benchmark: dict[str, Any]) -> tuple[Any, ...]:
    extra = benchmark["extra_info"]
    rows = extra.get("rows")
    return (
        benchmark["fullname"],
        benchmark["function"],
        benchmark["params"],
        benchmark["group"],
        _text(extra.get("mode")),
        _text(extra.get("shape")),
        _text(extra.get("device")),
        benchmark["timer"],
        rows if isinstance(rows, int) and 0 <= rows < 2**63 else None,
        stated_workload(extra),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
