"""Where the time goes: the profiler's traces, taken apart, with the modes beside each other."""

from __future__ import annotations

import shlex
from pathlib import Path

import streamlit as st

from pricebench.dashboard.charts.traces import shares_chart
from pricebench.dashboard.plain import line_of, plain
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.traces import (
    FOLDER,
    MEANING,
    Setup,
    Stored,
    by_setup,
    devices_frame,
    gaps_frame,
    operators_frame,
    shares_frame,
    warnings_of,
)
from pricebench.dashboard.views import parts
from pricebench.dashboard.workloads import name_of
from pricebench.profiling import ANALYSIS_SUFFIX, StoredAnalyses, stored_analyses
from pricebench.units import counted


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Where does the time go?")
    folder = settings.reports / FOLDER
    stored = _read(folder, parts.versions_below(folder, f"*{ANALYSIS_SUFFIX}"))
    parts.unreadable(stored.unreadable.items())
    setups = by_setup(stored.analyses.items())
    if not setups:
        parts.command(f"There are no traces in {folder} yet. Take some:", f"uv run pricebench profile{_option(folder)}")
        return
    workload = parts.choose_workload((name_of(setup.workload) for setup in setups), page="time")
    setup = _choose([setup for setup in setups if name_of(setup.workload) == workload])
    modes = setups[setup]
    st.altair_chart(shares_chart(shares_frame(modes)), width="stretch", alt="Share of a step by part, a bar per mode")
    st.dataframe(gaps_frame(modes), width="stretch", hide_index=True)
    with st.expander("What the parts are"):
        for part, meaning in MEANING.items():
            st.markdown(f"**{part.value}**: {plain(meaning)}")
    parts.warn(warnings_of(modes))
    _show_mode(modes)


def _option(folder: Path) -> str:
    return "" if folder == Settings().reports / FOLDER else f" --out {shlex.quote(str(folder))}"


@st.cache_data(max_entries=4, show_spinner=False)
def _read(folder: Path, versions: tuple[object, ...]) -> StoredAnalyses:  # noqa: ARG001 - part of the key
    return stored_analyses(folder)


def _choose(setups: list[Setup]) -> Setup:
    labels = {line_of(setup.label): setup for setup in setups}
    label = st.selectbox("Traces of", list(labels), key="traces", bind="query-params")
    return labels[label]


def _show_mode(modes: dict[str, Stored]) -> None:
    st.subheader("The largest operators")
    shown = {line_of(mode): stored for mode, stored in modes.items()}
    stored = shown[st.selectbox("Mode", list(shown), key="mode", bind="query-params")]
    st.dataframe(operators_frame(stored.analysis), width="stretch", hide_index=True, height="content")
    if stored.analysis.devices:
        st.dataframe(devices_frame(stored.analysis), width="stretch", hide_index=True)
    capture = stored.analysis.capture
    if capture is not None:
        st.caption(
            plain(
                f"{capture.workload}, {counted(capture.rows, 'row')}, {capture.device}, "
                f"{counted(capture.threads, 'thread')}, torch {capture.torch}, {capture.created}"
            )
        )
    trace = stored.trace_path
    if trace is None:
        st.caption("The trace itself was not kept.")
        return
    st.download_button(
        "Download the trace",
        trace.read_bytes,
        file_name=trace.name,
        mime="application/gzip",
        icon=":material/download:",
        help="Opens in Perfetto or chrome://tracing.",
    )
