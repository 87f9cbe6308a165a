"""Many files of houses are cut into shards: the same ones whoever prices them, and each row in one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pricebench.data.sources import ParquetSource
from pricebench.errors import DataError
from pricebench.scaling.stores import Found, is_pattern, is_url, store_of

SHARD_ROWS = 1_000_000
"""About a second of one core, and some tens of megabytes: little is lost with a node, and little is spent on starts."""

PRICES = "prices-"
"""How the name of every file of prices begins."""

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Rows that are priced together, into a file of their own.

    Attributes:
        index: Of the shard, from 0: shards in this order hold the rows in theirs.
        path: Of the file that holds the rows, or its URL.
        name: Of that file, for people.
        is_parquet: Whether it is Parquet; CSV otherwise.
        row_groups: Of the Parquet file, from and to below; None for the whole file.
        first_row: Data row number of the first row, from 1.
        file: That the priced rows are written to.
    """

    index: int
    path: str
    name: str
    is_parquet: bool
    row_groups: tuple[int, int] | None
    first_row: int
    file: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Shard:
        """Of what `to_json` gave."""
        groups = record["row_groups"]
        return cls(**{**record, "row_groups": None if groups is None else (groups[0], groups[1])})


def find(patterns: Sequence[str]) -> list[Found]:
    """The files that patterns, folders and names lead to: in the order of the patterns, each one's by name.

    Raises:
        DataError: One leads to none, two to the same, or a store cannot be read.
    """
    found: list[Found] = []
    for pattern in patterns:
        matches = store_of(pattern).find(pattern)
        if not matches:
            raise DataError(f"{pattern}: expected files of houses, found none. Check the path{_hint(pattern)}.")
        found += matches
    path, count = Counter(file.path for file in found).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path}: expected once, found {count} times: its rows would be priced so often. Name it once.")
    return found


def cut(files: Sequence[Found], shard_rows: int = SHARD_ROWS) -> list[Shard]:
    """Cut files into shards; what is in the files decides, and nothing else.

    A CSV is a shard: where its rows begin is known only to who reads it from its beginning. A Parquet file is cut
    between row groups.

    Args:
        files: In the order of their rows.
        shard_rows: No shard has more, unless a row group, or a CSV, has.

    Raises:
        DataError: A file cannot be read.
    """
    parts = [(file, *part) for file in files for part in _parts(file, shard_rows)]
    return [
        Shard(
            index=index,
            path=file.path,
            name=file.name,
            is_parquet=is_parquet,
            row_groups=groups,
            first_row=first_row,
            file=file_of(index, len(parts), is_parquet=is_parquet),
        )
        for index, (file, is_parquet, groups, first_row) in enumerate(parts)
    ]


def file_of(index: int, num_shards: int, *, is_parquet: bool) -> str:
    """What a shard's file of prices is called: sorted by name, the files hold the rows in their order.

    >>> file_of(3, 12, is_parquet=True)
    'prices-00003.parquet'
    """
    width = max(5, len(str(num_shards - 1)))
    return f"{PRICES}{index:0{width}}.{'parquet' if is_parquet else 'csv'}"


def together(group_rows: Sequence[int], shard_rows: int) -> list[tuple[int, int]]:
    """Row groups that follow one another, as many as fit: from and to below.

    >>> together([4, 4, 4, 20, 1], shard_rows=10)
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    bounds, start, rows = [], 0, 0
    for group, count in enumerate(group_rows):
        if group > start and rows + count > shard_rows:
            bounds.append((start, group))
            start, rows = group, 0
        rows += count
    return [*bounds, (start, len(group_rows))]


def _parts(file: Found, shard_rows: int) -> Iterator[tuple[bool, tuple[int, int] | None, int]]:
    """Of a file: whether it is Parquet, row groups, first row."""
    with store_of(file.path).open(file.path) as opened:
        if opened.read(len(_PARQUET_MAGIC)) != _PARQUET_MAGIC:
            yield False, None, 1
            return
        group_rows = ParquetSource(Path(file.name), file=opened).group_rows
    bounds = together(group_rows, shard_rows)
    first_row = 1
    for start, stop in bounds:
        yield True, None if len(bounds) == 1 else (start, stop), first_row
        first_row += sum(group_rows[start:stop])


def _hint(pattern: str) -> str:
    if is_url(pattern):
        return ""
    return " and the pattern" if is_pattern(pattern) else "; a folder needs .csv or .parquet files in it"
