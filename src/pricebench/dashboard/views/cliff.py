"""Cliff: what a new batch shape costs a compiled model, call by call, and which remedy removes it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from pricebench.cliff.records import Report
from pricebench.cliff.schedule import CliffError, Kind
from pricebench.dashboard.charts.cliff import decades, schedule_chart
from pricebench.dashboard.cliffs import FOLDER, Shown, kinds_of, most_telling, shown
from pricebench.dashboard.plain import line_of, plain
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.tables import section_frame
from pricebench.dashboard.views import parts
from pricebench.dashboard.views.stored import reports_or_stop
from pricebench.dashboard.workloads import name_of


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("What does a new batch shape cost?")
    reports = reports_or_stop(
        settings,
        FOLDER,
        Report.load,
        noun="report",
        duration="some minutes",
        command="uv run pricebench cliff",
    )
    workload = parts.choose_workload(map(_workload, reports.found.values()), page="cliff")
    mine = {path: report for path, report in reports.found.items() if _workload(report) == workload}
    left, right = st.columns(2)
    with left:
        path = parts.choose(
            "Report",
            {path.stem: _label(path, report) for path, report in mine.items()},
            name="report",
            page="cliff",
        )
    report = next(report for found, report in mine.items() if found.stem == path)
    kinds = kinds_of(report)
    if not kinds:
        st.info("This report measured nothing.")
        return
    kind = kinds[right.selectbox("Kind of step", list(kinds), key="kind", bind="query-params")]
    try:
        found = _shown(report, kind, settings.reports, path, report.started)
    except CliffError as error:
        parts.refuse(str(error))
        return
    parts.finding(found.finding)
    if not found.calls.empty:
        _show_calls(found.calls, report.conditions.get("arms"))
    if found.steady is not None:
        st.subheader("Afterwards, against eager")
        st.altair_chart(
            found.steady, width="stretch", alt="Steady time over eager's, per arm and block, with intervals"
        )
    for section in found.tables:
        with st.expander(plain(section.title)):
            st.dataframe(section_frame(section), width="stretch", hide_index=True)
            for note in section.notes:
                st.caption(plain(note))
    for sentence in found.sentences:
        st.caption(plain(sentence))


@st.cache_resource(max_entries=20, show_spinner="Reading the report …")
def _shown(
    _report: Report,
    kind: Kind,
    folder: Path,  # noqa: ARG001 - these three are the key of the report
    name: str,  # noqa: ARG001
    started: str,  # noqa: ARG001
) -> Shown:
    return shown(_report, kind)


def _workload(report: Report) -> str:
    return name_of(report.conditions.get("workload"))


def _label(path: Path, report: Report) -> str:
    return line_of(f"{report.started} · {path.stem}")


def _show_calls(drawn: pd.DataFrame, meanings: object) -> None:
    st.subheader("Every call of the schedule")
    arms = list(dict.fromkeys(drawn["arm"]))
    arm = parts.choose("Arm", {name: name for name in arms}, name="arm", page="cliff", preferred=most_telling(drawn))
    meaning = meanings.get(arm) if isinstance(meanings, dict) else None
    if meaning:
        st.caption(plain(str(meaning)))
    st.altair_chart(
        # One scale for every arm, so that two of them can be compared.
        schedule_chart(drawn[drawn["arm"] == arm], domain=decades(drawn["seconds"])),
        width="stretch",
        alt="Seconds of every call, compilations marked",
    )
    st.caption("A red diamond: something was compiled for this call. The letters name the graph that served it.")
