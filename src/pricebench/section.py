"""A table with a title and notes, as plain text: what every report is told in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled table.

    Attributes:
        title: In a few words.
        header: Titles of the columns; the first column holds names.
        rows: Cells; one may have a second line.
        notes: Sentences under it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """As GitHub's Markdown."""
        lines = [self.header, ("---",) + ("---:",) * (len(self.header) - 1), *self.rows]
        table = "\n".join(f"| {' | '.join(map(one_line, line))} |" for line in lines)
        notes = "".join(f"\n- {note}" for note in self.notes)
        return f"{table}\n{notes}" if notes else table


def one_line(cell: str) -> str:
    """A cell as Markdown's tables can hold it."""
    return cell.replace("|", "\\|").replace("\n", "; ")
