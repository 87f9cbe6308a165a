"""What the Cliff page shows of a report: tables as frames, and every call of the schedule, arm by arm."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pandas as pd

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.chart import calls, steady, steady_chart
from pricebench.cliff.records import Report
from pricebench.cliff.schedule import CliffError, Kind
from pricebench.cliff.table import Section, conditions, sections
from pricebench.dashboard.charts import Chart
from pricebench.dashboard.plain import line_of

FOLDER = "cliff"
_FULL_BATCHES = 1  # of an epoch of the default data: 3,600 training rows in batches of 2048


def kinds_of(report: Report) -> dict[str, Kind]:
    """The kinds of step that a report measured, by name."""
    return {str(kind): kind for kind in Kind if Analysis(report, kind).arms}


class Shown(NamedTuple):
    """What the page shows of one kind of step.

    Attributes:
        calls: As `calls_frame`; empty where a report holds counts only.
        steady: The arms' steady times over eager's, or None.
        tables: Of this kind.
        sentences: The conditions, warnings included.
    """

    calls: pd.DataFrame
    steady: Chart | None
    tables: list[Section]
    sentences: list[str]


def shown(report: Report, kind: Kind) -> Shown:
    """Take a report apart; resampling its intervals takes a moment.

    Raises:
        CliffError: It lacks what this version reads.
    """
    try:
        return Shown(
            calls=pd.DataFrame() if report.conditions["counts_only"] else calls_frame(report, kind),
            steady=_steady_picture(report, kind),
            tables=[section for section in sections(report, _FULL_BATCHES) if section.title.startswith(str(kind))],
            sentences=conditions(report),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CliffError(
            f"expected a cliff report of this version, found one without {line_of(str(error))}. "
            "Make another: pricebench cliff."
        ) from error


def calls_frame(report: Report, kind: Kind) -> pd.DataFrame:
    """A row per call: `arm`, `x` (its number), `batch`, `step`, `rows`, `seconds`, `graph`, `happened`, `text`."""
    analysis = Analysis(report, kind)
    return calls(analysis, list(analysis.arms)).rename(columns={"position": "x"})


def _steady_picture(report: Report, kind: Kind) -> Chart | None:
    """The arms' steady times over eager's; None where none were measured."""
    analysis = Analysis(report, kind)
    arms = list(analysis.arms)
    if report.conditions["counts_only"] or steady(analysis, arms).empty:
        return None
    # Below the picture: on a telephone there is no room beside it.
    picture: Chart = steady_chart(analysis, arms).configure_legend(orient="bottom", columns=2)
    return picture


def section_frame(section: Section) -> pd.DataFrame:
    """A section's table; of two columns with one title the second gets a number."""
    seen: Counter[str] = Counter()
    titles = []
    for title in map(line_of, section.header):
        seen[title] += 1
        titles.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    rows = [[line_of(cell.replace("\n", " · ")) for cell in row] for row in section.rows]
    return pd.DataFrame(rows, columns=titles)
