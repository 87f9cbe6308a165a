"""A cell that makes its row a bad one: what stops a reading, or is written down where the reading goes on."""

from __future__ import annotations

from dataclasses import dataclass

from pricebench.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCell:
    """The first wrong cell of a row.

    Attributes:
        row: Data row number, from 1.
        column: As it is called in the file, or the canonical quantity that was worked out of the file's columns.
        value: As it stands, or the number that was worked out.
        expected: What it should have been.
    """

    row: int
    column: str
    value: str
    expected: str


class BadCellError(DataError):
    """One row is to blame.

    Attributes:
        cell: Of that row.
    """

    def __init__(self, words: str, cell: BadCell) -> None:
        super().__init__(words)
        self.cell = cell
