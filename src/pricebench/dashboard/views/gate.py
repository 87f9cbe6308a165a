"""Gate: whether a change may be merged, benchmark by benchmark, with the blocks that say so."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pricebench.dashboard.charts.gate import intervals_chart
from pricebench.dashboard.gates import FOLDER, blocks_frame, findings_frame, intervals_frame
from pricebench.dashboard.plain import line_of, plain
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts
from pricebench.dashboard.views.stored import reports_or_stop
from pricebench.dashboard.workloads import name_of
from pricebench.errors import ExitCode
from pricebench.gate.report import Report
from pricebench.gate.table import sentences


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("May this change be merged?")
    reports = reports_or_stop(
        settings,
        FOLDER,
        Report.load,
        noun="report",
        duration="some minutes",
        command="uv run pricebench gate --base main",
    )
    path = parts.choose(
        "Report",
        {path.stem: _label(path, report) for path, report in reports.found.items()},
        name="report",
        page="gate",
    )
    report = next(report for found, report in reports.found.items() if found.stem == path)
    parts.say_workload(name_of(report.conditions.get("workload")))
    _show_sentence(report)
    st.dataframe(findings_frame(report), width="stretch", hide_index=True)
    intervals = intervals_frame(report)
    if not intervals.empty:
        st.altair_chart(
            intervals_chart(intervals, blocks_frame(report)),
            width="stretch",
            alt="Change of every benchmark with its 95 % interval, and each block's",
        )
        st.caption(
            "A line is the 95 % interval, a dot one block. Red: a change counts from here. Grey: ok ends below here."
        )
    for sentence in sentences(report):
        st.caption(plain(sentence))


def _label(path: Path, report: Report) -> str:
    return line_of(f"{report.started} · {report.base[:8]} to {report.head[:8]} · {path.stem}")


def _show_sentence(report: Report) -> None:
    sentence = plain(report.sentence)
    if report.exit_code is ExitCode.FINE:
        st.success(sentence, icon=":material/check_circle:")
    elif report.exit_code in (ExitCode.REGRESSION, ExitCode.BROKEN):
        st.error(sentence, icon=":material/error:")
    else:
        st.warning(sentence, icon=":material/warning:")
