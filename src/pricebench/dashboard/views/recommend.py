"""Recommend: which mode to ship, what it gains, and why no other."""

from __future__ import annotations

import streamlit as st

from pricebench.dashboard.charts.recommendation import costs_chart
from pricebench.dashboard.plain import line_of, plain_long
from pricebench.dashboard.recommendations import FOLDER, Shown, answers_frame, shown, upgrades
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.tables import section_frame
from pricebench.dashboard.views import parts
from pricebench.dashboard.views.stored import reports_or_stop
from pricebench.dashboard.workloads import name_of
from pricebench.recommend.need import RecommendError
from pricebench.recommend.report import Report


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Which mode should I ship?")
    reports = reports_or_stop(
        settings,
        FOLDER,
        Report.load,
        noun="recommendation",
        duration="up to five minutes",
        command="uv run pricebench recommend",
    )
    workload = parts.choose_workload((name_of(report.workload) for report in reports.found.values()), page="recommend")
    mine = {path.stem: report for path, report in reports.found.items() if name_of(report.workload) == workload}
    report = mine[
        parts.choose(
            "Report", {name: _label(name, report) for name, report in mine.items()}, name="report", page="recommend"
        )
    ]
    try:
        found = shown(report)
    except RecommendError as error:
        parts.refuse(str(error))
        return
    _show_answer(report, found)
    for table in found.tables[1:]:
        parts.subheader(table.title)
        st.dataframe(section_frame(table), width="stretch", hide_index=True)
    st.subheader("Why no other mode")
    st.dataframe(found.why_not, width="stretch", hide_index=True)
    _show_elsewhere(list(mine.values()))
    for sentence in found.sentences:
        st.caption(plain_long(sentence))


def _label(name: str, report: Report) -> str:
    return line_of(f"{report.started} · {report.need.goal} · {name}")


def _show_answer(report: Report, found: Shown) -> None:
    st.subheader(plain_long(report.sentence), anchor=False)
    if report.recommended is None:
        parts.refuse("No mode can run this workload as it is needed. The reasons stand below.")
    elif not report.is_decided:
        parts.warn(["The budget did not suffice to rank all modes."])
    parts.warn(found.warnings)
    st.caption(plain_long(found.formula))
    st.dataframe(section_frame(found.tables[0]), width="stretch", hide_index=True)
    if found.costs.empty:
        return
    st.altair_chart(
        costs_chart(found.costs, noise=found.noise),
        width="stretch",
        alt="Cost of a day over eager's, with its interval, a row per mode",
    )
    st.caption(
        "A dot is the cost over eager's, a line its 95 % interval, a diamond the mode to ship. "
        + ("The grey band is eager against itself: noise. " if found.noise else "")
        + "Left of 1 is cheaper."
    )


def _show_elsewhere(newest_first: list[Report]) -> None:
    if len(newest_first) < 2:
        return
    st.subheader("Other machines, needs and torch versions")
    for sentence in upgrades(reversed(newest_first)):
        st.markdown(plain_long(sentence))
    st.dataframe(answers_frame(newest_first), width="stretch", hide_index=True)
