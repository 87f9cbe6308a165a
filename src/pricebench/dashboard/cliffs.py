"""What the Cliff page shows of a report: its finding in a sentence, tables as frames, and the calls of every arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.chart import COMPILED, calls, steady, steady_chart
from pricebench.cliff.epochs import epochs_of
from pricebench.cliff.records import Report
from pricebench.cliff.schedule import BEFORE, FIRST, CliffError, Kind
from pricebench.cliff.stalls import Stall
from pricebench.cliff.table import conditions, sections
from pricebench.dashboard.charts import Chart
from pricebench.dashboard.plain import line_of
from pricebench.section import Section
from pricebench.units import Second, counted, format_duration

FOLDER = "cliff"
PLAIN = "compile"  # the arm without a remedy: torch.compile as it comes
_FULL_BATCHES = 1  # of an epoch of the default data: 3,600 training rows in batches of 2048


def kinds_of(report: Report) -> dict[str, Kind]:
    """The kinds of step that a report measured, by name."""
    return {str(kind): kind for kind in Kind if Analysis(report, kind).arms}


class Shown(NamedTuple):
    """What the page shows of one kind of step.

    Attributes:
        finding: What the stall is, what removes it, and what that costs.
        calls: As `calls_frame`; empty where a report holds counts only.
        steady: The arms' steady times over eager's, or None.
        tables: Of this kind.
        sentences: The conditions, warnings included.
    """

    finding: str
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
            finding=finding_of(report, kind),
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


def finding_of(report: Report, kind: Kind) -> str:
    """The report's answer in one sentence or three: the stall, the arms that have none, and what those cost.

    An arm removes the stall if it compiles once, at its first call, and serves every size of the schedule without
    failing, leaving rows out, or running eager where it was not told to.
    """
    analysis = Analysis(report, kind)
    if PLAIN not in analysis.arms:
        return f"The report did not measure {PLAIN}, so it does not say what a new size costs."
    later = _later_stalls(analysis, PLAIN)
    if report.conditions["counts_only"]:
        num = analysis.num_graphs(PLAIN) or 0
        return f"{PLAIN} compiled {counted(num, 'graph')} along the schedule; the report holds counts and no times."
    if not later:
        return f"{PLAIN} stalled at no size after its first call."
    told = ", ".join(f"{format_duration(stall.cold.middle)} at {counted(stall.rows, 'row')}" for stall in later)
    warm = [stall.warm.middle for stall in later if stall.warm]
    again = f" (with a warm cache {_span(warm)})" if warm else ""
    sentences = [f"The first batch of a new size stops {PLAIN} to compile again: {told}{again}."]
    cures = [arm for arm in analysis.arms if _removes_the_stall(analysis, arm)]
    if not cures:
        return f"{sentences[0]} No arm removes the stall."
    firsts = [analysis.stalls(arm)[0].cold.middle for arm in cures]
    sentences.append(f"One compilation and no stall at any size: {', '.join(cures)}.")
    epochs = {arm: found for arm in cures if (found := epochs_of(analysis, arm, _FULL_BATCHES))}
    if epochs:
        best = min(epochs, key=lambda arm: epochs[arm].later)
        gain = epochs[best].gain
        verdict = "" if gain.is_found else "; within the noise of the run"
        sentences.append(
            f"That costs {_span(firsts)} at the first call; from then on the cheapest of them, {best}, takes "
            f"{gain.value:.2f} of eager's time per epoch ({gain.low:.2f} to {gain.high:.2f}{verdict})."
        )
    return " ".join(sentences)


def _later_stalls(analysis: Analysis, arm: str) -> list[Stall]:
    return [stall for stall in analysis.stalls(arm) if stall.step not in (FIRST, BEFORE)]


def _removes_the_stall(analysis: Analysis, arm: str) -> bool:
    return (
        len(analysis.stalls(arm)) == 1
        and not _later_stalls(analysis, arm)
        and not analysis.failure(arm)
        and not analysis.silently_eager(arm)
        and all(call.rows_run >= call.rows for call in analysis.served(arm))
    )


def _span(seconds: Sequence[Second]) -> str:
    least, most = format_duration(min(seconds)), format_duration(max(seconds))
    return least if least == most else f"{least} to {most}"


def most_telling(drawn: pd.DataFrame) -> str:
    """The arm to look at first: `compile` as it comes if it stalled, else the one with the longest stall."""
    stalled = drawn[(drawn["happened"] == COMPILED) & (drawn["x"] > 1)]
    if stalled.empty:
        return str(drawn["arm"].iloc[-1])
    if PLAIN in set(stalled["arm"]):
        return PLAIN
    return str(stalled.sort_values("seconds")["arm"].iloc[-1])


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
