"""Opening a place: what the cache knows is taken, what is new or changed is read, what is gone is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pricebench.history.cache import IndexCache, remove
from pricebench.history.columns import SCHEMA
from pricebench.history.places import UNREAD, Found, Place
from pricebench.history.worker import MANY, batches, read_in_processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The rows of every file of a place.

    Attributes:
        rows: Some may be stale; as `columns.SCHEMA` says.
        valid: Positions of the rows that count, one per file.
        num_read: Files that the cache did not know.
    """

    rows: pa.Table
    valid: npt.NDArray[np.int64]
    num_read: int


def build_index(place: Place, cache: IndexCache | None) -> Index:
    """Bring the cache up to date with the place, and return its rows.

    Raises:
        HistoryError: The place is not there.
    """
    files = place.find()
    segments = cache.load() if cache else {}
    known = pa.concat_tables([pa.Table.from_batches([], schema=SCHEMA), *segments.values()]).unify_dictionaries()
    positions = _positions(known)
    new = [found for found in files if (found.path, found.stamp) not in positions]
    read = _read(place, new).unify_dictionaries()
    if cache:
        fresh = _to_keep(read, new)
        if len(fresh):
            cache.add(read if len(fresh) == read.num_rows else rows_at(read, fresh))
    rows = pa.concat_tables([known, read]).unify_dictionaries()
    positions |= {entry: known.num_rows + row for entry, row in _positions(read).items()}
    valid = np.array([positions[found.path, found.stamp] for found in files], dtype=np.int64)
    if cache and cache.is_worth_merging(num_segments=len(segments), num_rows=known.num_rows, num_valid=len(files)):
        cached = valid[valid < known.num_rows]
        cache.add(rows_at(known, cached))
        for path in segments:
            remove(path)
    return Index(rows=rows, valid=valid, num_read=len(new))


def from_numpy(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Whole numbers for Arrow. `pa.array` would import pandas, for half a second, to ask whether they are a series."""
    numbers = np.ascontiguousarray(numbers, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def to_numpy(numbers: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Numbers without nulls, as they lie in memory; Arrow's own way imports pandas too."""
    chunks = numbers.chunks if isinstance(numbers, pa.ChunkedArray) else [numbers]
    dtype = np.dtype(numbers.type.to_pandas_dtype())
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype=dtype, count=len(chunk), offset=chunk.offset * dtype.itemsize)
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate([np.empty(0, dtype), *parts])


def rows_at(table: pa.Table, positions: npt.NDArray[np.int64]) -> pa.Table:
    """Rows by position."""
    return table.take(from_numpy(positions))


def _positions(rows: pa.Table) -> dict[tuple[str, str], int]:
    entries = zip(rows["path"].to_pylist(), rows["stamp"].to_pylist(), strict=True)
    return {entry: position for position, entry in enumerate(entries)}


def _read(place: Place, files: Sequence[Found]) -> pa.Table:
    if len(files) >= MANY:
        return read_in_processes(place, files)
    return pa.Table.from_batches(batches(place, [(found.path, found.stamp) for found in files]), schema=SCHEMA)


def _to_keep(read: pa.Table, new: Sequence[Found]) -> npt.NDArray[np.int64]:
    """Positions of the rows that will still be true the next time: neither changing now, nor of an unread file."""
    settled = {found.path for found in new if found.is_settled}
    rows = zip(read["path"].to_pylist(), read["reason"].to_pylist(), strict=True)
    return np.flatnonzero([path in settled and not (reason or "").startswith(UNREAD) for path, reason in rows])
