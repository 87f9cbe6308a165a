"""Cells of text or numbers become float64, or the sentence that names the first one that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricebench.data.bad_cells import BadCell, BadCellError
from pricebench.data.schema import Column
from pricebench.errors import DataError, printable

Cells: TypeAlias = Any  # pa.Array | pa.ChunkedArray; pyarrow ships no types

# What other tools write for "no value"; pandas and R write most of these.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")
_PLAIN_NUMBER = r"^[0-9]+(\.[0-9]+)?$"
MEND = "Fix the row or drop it."


def to_float64(path: Path, name: str, cells: Cells, *, first_row: int) -> Column:
    """Cells of column `name`, the first of them in data row `first_row`, as float64; a missing value is NaN.

    Raises:
        BadCellError: A cell is no number.
        DataError: The column holds neither numbers nor text.
    """
    cells = _computable(cells)
    kind = cells.type
    if _is_text(kind):
        try:
            cells = _parse(cells)
        except pa.ArrowInvalid:
            index = _first_not_a_number(cells)
            raise not_a_number(path, name, cells[index].as_py(), first_row + index) from None
    # Arrow's null is the type of a column without a single value.
    elif not any(
        is_kind(kind) for is_kind in (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)
    ):
        raise DataError(
            f"{path.name}: column '{printable(name)}' holds {printable(str(kind))}, expected numbers. "
            "Write the column as float64."
        )
    numbers: Column = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def not_numbers(cells: Cells) -> list[int]:
    """Index of each cell of text that the parser refuses, ascending; a column of another kind has none."""
    cells = _computable(cells)
    if not _is_text(cells.type):
        return []
    # The parser is asked only about those that are not plainly numbers: asking takes 10 microseconds.
    plain = pc.fill_null(pc.match_substring_regex(cells, _PLAIN_NUMBER), fill_value=True)
    doubtful = pc.indices_nonzero(pc.invert(plain)).to_pylist()
    return [index for index in doubtful if not is_number(cells[index].as_py())]


def without(cells: Cells, indices: Sequence[int]) -> Cells:
    """The same column with these cells missing."""
    is_kept = np.ones(len(cells), dtype=bool)
    is_kept[list(indices)] = False
    cells = _computable(cells)
    return pc.if_else(pa.array(is_kept), cells, pa.scalar(None, cells.type))


def is_number(cell: str) -> bool:
    """Whether a cell of text counts as a number or as missing."""
    # No number has other digits than ASCII's; and what was no UTF-8 cannot be an Arrow string.
    return cell.isascii() and _are_numbers(pa.array([cell]))


def not_a_number(path: Path, name: str, cell: str, row: int, *, hint: str = "") -> BadCellError:
    """The error for one cell that had to be a number, with a hint at what may have made it none."""
    return BadCellError(
        f"{path.name}, row {row}: {name} is '{printable(cell)}', expected a number. {hint}{MEND}",
        no_number(name, cell, row),
    )


def no_number(name: str, cell: str, row: int) -> BadCell:
    """The same cell, to be written down."""
    return BadCell(row=row, column=name, value=cell, expected="a number")


def _computable(cells: Cells) -> Cells:
    # Of views of strings Arrow computes little yet.
    return cells.cast(pa.large_string()) if pa.types.is_string_view(cells.type) else cells


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _parse(cells: Cells) -> Cells:
    """Text to float64 as Arrow's CSV reader does it: blanks around a number are nothing, a missing word is null."""
    try:
        return cells.cast(pa.float64())
    except pa.ArrowInvalid:
        is_missing = pc.is_in(cells, value_set=pa.array(MISSING, cells.type))
        trimmed = pc.ascii_trim(cells, characters=" \t")
        return pc.if_else(is_missing, pa.scalar(None, cells.type), trimmed).cast(pa.float64())


def _are_numbers(cells: Cells) -> bool:
    try:
        _parse(cells)
    except pa.ArrowInvalid:
        return False
    return True


def _first_not_a_number(cells: Cells) -> int:
    """Index of the first cell that the parser refuses; there must be one.

    Halving asks the parser itself: a pattern of our own would be a second opinion on what a number is.
    """
    start, length = 0, len(cells)
    while length > 1:
        half = length // 2
        if _are_numbers(cells[start : start + half]):
            start, length = start + half, length - half
        else:
            length = half
    return start
