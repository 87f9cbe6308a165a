"""A batch of any size in pieces of the sizes that a mode prepares, padded where that costs less than another call."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

MOST_ROWS = 2048
"""Of a piece: its activations, 2 MiB a layer, stay in the cache."""

# What a call costs besides its rows: 30 us, at 1.3 us a row (eager, one thread; docs/log.md).
_CALL_ROWS = 24


class Piece(NamedTuple):
    """Rows `start` to `stop` of a batch, in a call of `size` rows; what is beyond them is padding."""

    start: int
    stop: int
    size: int


def pieces(num_rows: int, sizes: Sequence[int] = ()) -> list[Piece]:
    """Cut a batch.

    Args:
        num_rows: Of the batch.
        sizes: The sizes that a call may have, ascending; none: a call may have any, and nothing is padded.

    Returns:
        In order, covering every row once.

    >>> pieces(9, sizes=(1, 8, 64))
    [Piece(start=0, stop=8, size=8), Piece(start=8, stop=9, size=1)]
    >>> pieces(2050)
    [Piece(start=0, stop=2048, size=2048), Piece(start=2048, stop=2050, size=2)]
    """
    cut, start = [], 0
    largest = sizes[-1] if sizes else MOST_ROWS
    while num_rows - start > largest:
        cut.append(Piece(start, start + largest, largest))
        start += largest
    if not sizes:
        return [*cut, Piece(start, num_rows, num_rows - start)] if start < num_rows else cut
    for size in _cheapest(num_rows - start, tuple(sizes)):
        stop = min(start + size, num_rows)
        cut.append(Piece(start, stop, size))
        start = stop
    return cut


@lru_cache(maxsize=4096)
def _cheapest(num_rows: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of the calls that hold so many rows, at most the largest, at the least cost; the larger ones first."""
    if num_rows <= 0:
        return ()
    padded = next(size for size in sizes if size >= num_rows)
    smaller = [size for size in sizes if size < num_rows]
    if not smaller:
        return (padded,)
    cut = (smaller[-1], *_cheapest(num_rows - smaller[-1], sizes))
    return min((padded,), cut, key=_cost)


def _cost(sizes: Sequence[int]) -> int:
    return sum(sizes) + _CALL_ROWS * len(sizes)
