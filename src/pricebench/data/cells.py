"""Cells of text or numbers become float64, or the sentence that names the first one that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from pricebench.data.bad_cells import BadCell, BadCellError
from pricebench.data.schema import Column
from pricebench.errors import DataError, printable

Cells: TypeAlias = Any  # pa.Array | pa.ChunkedArray; pyarrow ships no types

# What other tools write for "no value"; pandas and R write most of these.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")
MEND = "Fix the row or drop it."


def to_float64(path: Path, name: str, cells: Cells, *, first_row: int) -> Column:
    """Cells of column `name`, the first of them in data row `first_row`, as float64; a missing value is NaN.

    Raises:
        BadCellError: A cell is no number.
        DataError: The column holds neither numbers nor text.
    """
    kind = cells.type
    if pa.types.is_string_view(kind):  # of which Arrow computes little yet
        cells, kind = cells.cast(pa.large_string()), pa.large_string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
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


def is_number(cell: str) -> bool:
    """Whether a cell of text counts as a number or as missing."""
    # No number has other digits than ASCII's; and what was no UTF-8 cannot be an Arrow string.
    return cell.isascii() and _are_numbers(pa.array([cell]))


def not_a_number(path: Path, name: str, cell: str, row: int, *, hint: str = "") -> BadCellError:
    """The error for one cell that had to be a number, with a hint at what may have made it none."""
    return BadCellError(
        f"{path.name}, row {row}: {name} is '{printable(cell)}', expected a number. {hint}{MEND}",
        BadCell(row=row, column=name, value=cell, expected="a number"),
    )


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
