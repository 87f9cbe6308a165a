"""Serving: which rate each server holds, latency against rate, and what soak, hostile clients and faults did."""

from __future__ import annotations

import streamlit as st

from pricebench.dashboard.charts.serving import latencies_chart, memory_chart
from pricebench.dashboard.plain import line_of, plain_long
from pricebench.dashboard.servers import PERCENTILES, answer, latency_frame, memory_frame
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.tables import section_frame
from pricebench.dashboard.views import parts
from pricebench.dashboard.views.stored import reports_or_stop
from pricebench.traffic.records import BOUND, COMMAND, FOLDER, Report, Traffic
from pricebench.traffic.table import conditions, sections, warnings


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("How much does the server hold?")
    reports = reports_or_stop(
        settings, FOLDER, Report.load, noun="load report", duration="half an hour", command=COMMAND
    )
    chosen = parts.choose(
        "Report",
        {path.stem: line_of(f"{report.started} · {path.stem}") for path, report in reports.found.items()},
        name="report",
        page="serving",
    )
    report = next(report for path, report in reports.found.items() if path.stem == chosen)
    parts.warn(warnings(report))
    for traffic in Traffic:
        if sentence := answer(report, traffic):
            parts.finding(sentence)
    _show_latencies(report)
    for section in sections(report):
        parts.subheader(section.title)
        st.dataframe(section_frame(section), width="stretch", hide_index=True)
        for note in section.notes:
            st.caption(plain_long(note))
    _show_memory(report)
    st.subheader("Conditions")
    for sentence in conditions(report):
        st.caption(plain_long(sentence))


def _show_latencies(report: Report) -> None:
    if not report.probes:
        return
    left, right = st.columns(2)
    with left:
        asked = dict.fromkeys(probe.traffic for probe in report.probes)
        traffic = Traffic(parts.choose("Asked for", {each: each for each in asked}, name="traffic", page="serving"))
    with right:
        percentile = parts.choose("Within this are", PERCENTILES, name="percentile", page="serving", preferred="p99")
    frame = latency_frame(report, traffic, percentile)
    if frame.empty:
        return
    st.altair_chart(
        latencies_chart(frame, bound=BOUND),
        width="stretch",
        alt="Latency against requests a second, a line per server",
    )
    st.caption(
        "From the moment at which a request was due, so waiting counts. The dashed line is what 99 of 100 may take."
    )


def _show_memory(report: Report) -> None:
    if report.soak is None or not report.soak.times:
        return
    st.subheader("Memory while it was soaked")
    st.altair_chart(
        memory_chart(memory_frame(report.soak)), width="stretch", alt="Memory of all processes of the server over time"
    )
