"""A table of a report as a frame: text as it is, on one line a cell."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import pandas as pd

from pricebench.dashboard.plain import line_of


class Table(Protocol):
    """What the sections of reports have in common."""

    @property
    def header(self) -> tuple[str, ...]:
        """Titles of the columns."""

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Cells."""


def section_frame(section: Table) -> pd.DataFrame:
    """A section's table; of two columns with one title the second gets a number."""
    seen: Counter[str] = Counter()
    titles = []
    for title in map(line_of, section.header):
        seen[title] += 1
        titles.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    rows = [[line_of(cell.replace("\n", " · ")) for cell in row] for row in section.rows]
    return pd.DataFrame(rows, columns=titles)
