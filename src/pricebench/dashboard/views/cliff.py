"""Cliff: what a new batch shape costs a compiled model, call by call, and which remedy removes it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import streamlit as st

from pricebench.cliff.records import Report, stored_reports
from pricebench.cliff.schedule import CliffError, Kind
from pricebench.dashboard import charts
from pricebench.dashboard.cliffs import FOLDER, Shown, kinds_of, section_frame, shown
from pricebench.dashboard.plain import line_of, plain
from pricebench.dashboard.reports import Reports, read_reports
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("What does a new batch shape cost?")
    folder = settings.reports / FOLDER
    versions = parts.versions_below(folder, "*.json")
    reports = _read(folder, versions)
    parts.unreadable(reports.unreadable.items())
    if not reports.found:
        option = "" if settings.reports == Settings().reports else f" --reports {shlex.quote(str(settings.reports))}"
        parts.command(
            f"There is no report in {folder} yet. Make one; it takes some minutes:", f"uv run pricebench cliff{option}"
        )
        return
    left, right = st.columns(2)
    with left:
        path = parts.choose(
            "Report",
            {path.stem: _label(path, report) for path, report in reports.found.items()},
            name="report",
            page="cliff",
        )
    report = next(report for found, report in reports.found.items() if found.stem == path)
    kinds = kinds_of(report)
    if not kinds:
        st.info("This report measured nothing.")
        return
    kind = kinds[right.selectbox("Kind of step", list(kinds), key="kind", bind="query-params")]
    try:
        found = _shown(report, kind, folder, versions, path)
    except CliffError as error:
        parts.refuse(str(error))
        return
    if not found.calls.empty:
        _show_calls(found.calls)
    if found.steady is not None:
        st.subheader("Afterwards, against eager")
        st.altair_chart(
            found.steady, width="stretch", alt="Steady time over eager's, per arm and block, with intervals"
        )
    for section in found.tables:
        parts.subheader(section.title)
        st.dataframe(section_frame(section), width="stretch", hide_index=True)
        for note in section.notes:
            st.caption(plain(note))
    for sentence in found.sentences:
        st.caption(plain(sentence))


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(folder: Path, versions: tuple[object, ...]) -> Reports[Report]:  # noqa: ARG001 - part of the key
    return read_reports(stored_reports(folder), Report.load)


@st.cache_resource(max_entries=20, show_spinner="Reading the report …")
def _shown(
    _report: Report,
    kind: Kind,
    folder: Path,  # noqa: ARG001 - these three are the key of the report
    versions: tuple[object, ...],  # noqa: ARG001
    name: str,  # noqa: ARG001
) -> Shown:
    return shown(_report, kind)


def _label(path: Path, report: Report) -> str:
    return line_of(f"{report.started} · {path.stem}")


def _show_calls(drawn: pd.DataFrame) -> None:
    st.subheader("Every call of the schedule")
    st.caption("A red diamond: something was compiled for this call. The letters name the graph that served it.")
    domain = charts.decades(drawn["seconds"])
    arms = list(dict.fromkeys(drawn["arm"]))
    grid = st.grid(2, min_column_width=330)
    for arm in arms:
        with grid.cell():
            st.markdown(plain(arm))
            st.altair_chart(
                charts.schedule(drawn[drawn["arm"] == arm], domain=domain),
                width="stretch",
                alt="Seconds of every call, compilations marked",
            )
