"""Every number of every run, by benchmark and then by age: what series are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pricebench.history.columns import CASE
from pricebench.history.index import rows_at, to_numpy

_TEXTS = ("function", "group", "mode", "shape", "device", "timer", "workload")


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Parallel columns, sorted by benchmark and then by age of the run.

    Attributes:
        run_index: Row of the table of runs.
        case: Position in `cases`.
        cases: Values by the names of `columns.CASE`; one benchmark has several where its group or clock has changed.
        numbers: The columns of `columns.NUMBERS`, base units.
    """

    run_index: npt.NDArray[np.int64]
    case: npt.NDArray[np.int64]
    cases: tuple[dict[str, Any], ...]
    numbers: pa.Table

    @classmethod
    def of(cls, rows: pa.Table) -> Measurements:
        """From rows of the index, oldest run first; their dictionaries are one."""
        lists = rows["benchmarks"]
        texts, codes = _decoded(rows["cases"])
        known: dict[tuple[Any, ...], int] = {}
        by_text = [
            np.array([known.setdefault(_hashable(case), len(known)) for case in orjson.loads(text)], dtype=np.int64)
            for text in texts
        ]
        cases = tuple(dict(zip(CASE, case, strict=True)) for case in known)
        of_run = np.concatenate([np.empty(0, np.int64), *(by_text[code] for code in codes)])
        run_index = np.repeat(np.arange(rows.num_rows), to_numpy(pc.list_value_length(lists)))
        names = [case["benchmark"] for case in cases]
        rank = {name: position for position, name in enumerate(sorted(set(names)))}
        order = np.argsort(np.array([rank[name] for name in names], dtype=np.int64)[of_run], kind="stable")
        flat = pa.Table.from_batches([pa.RecordBatch.from_struct_array(pc.list_flatten(each)) for each in lists.chunks])
        return cls(run_index=run_index[order], case=of_run[order], cases=cases, numbers=rows_at(flat, order))

    @cached_property
    def median(self) -> npt.NDArray[np.float64]:
        """Per call."""
        return to_numpy(self.numbers["median"])

    def table(self) -> pa.Table:
        """All of it as one table; texts are dictionaries."""
        columns: dict[str, Any] = {"run_index": pa.array(self.run_index)}
        benchmarks = list(dict.fromkeys(case["benchmark"] for case in self.cases))
        columns["benchmark"] = self._spread("benchmark", benchmarks)
        columns |= {name: self._spread(name, list({case[name]: 0 for case in self.cases})) for name in _TEXTS}
        at = pa.array(self.case)
        columns["params"] = pa.array([case["params"] for case in self.cases], pa.list_(pa.string())).take(at)
        columns["rows"] = pa.array([case["rows"] for case in self.cases], pa.int64()).take(at)
        return pa.table(columns | {name: self.numbers[name] for name in self.numbers.column_names})

    def _spread(self, name: str, values: list[str | None]) -> pa.DictionaryArray:
        position = {value: number for number, value in enumerate(values)}
        of_case = np.array([position[case[name]] for case in self.cases], dtype=np.int32)
        codes, known = of_case[self.case], [value for value in values if value is not None]
        if len(known) < len(values):  # None is the code that is masked, and the codes above it move down
            gap = position[None]
            mask = codes == gap
            codes = np.where(codes > gap, codes - 1, np.where(mask, 0, codes)).astype(np.int32)
            return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(known, pa.string()))
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(known, pa.string()))


def _decoded(column: pa.ChunkedArray) -> tuple[list[str], list[int]]:
    chunks = column.chunks
    texts = chunks[0].dictionary.to_pylist() if chunks else []
    return texts, [code for chunk in chunks for code in chunk.indices.to_pylist()]


def _hashable(case: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in case)
