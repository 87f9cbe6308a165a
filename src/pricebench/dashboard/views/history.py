"""History: a line per mode over the stored runs of one machine and stack, with the steps found in it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pricebench.dashboard.charts.history import PICKED, timeline_chart
from pricebench.dashboard.runs import of_machine, run_labels
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.timeline import (
    Line,
    Picture,
    branches,
    comparison_frame,
    lines_of,
    picture,
    steps_frame,
    window,
)
from pricebench.dashboard.views import parts
from pricebench.dashboard.workloads import runs_of
from pricebench.history import History, HistoryError

_ALL = "all branches"


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Has it become slower?")
    history = parts.history_or_stop(settings)
    workload, machine = parts.choose_workload_and_machine(history, page="history")
    mine = of_machine(runs_of(history, workload), machine)
    lines = _choose_lines(lines_of(history, machine, workload))
    branch, runs = _choose_runs(mine)
    is_log = st.toggle("Logarithmic", key="log", bind="query-params")
    ids = runs["run"].tolist()
    span = (ids[0], ids[-1], len(ids))
    st.caption(
        "A line joins the medians per call, a band the quartiles of the rounds of each run: rounds are samples of one "
        "process, so two runs may differ by more. Click a point to open its run."
    )
    pictures = {}
    for shape in dict.fromkeys(line.shape for line in lines):
        shown = tuple(line for line in lines if line.shape == shape)
        pictures[shape] = _picture(history, history.state, shown, ids, span, branch)
        _show_picture(shown[0].bench, shape, pictures[shape], is_log=is_log)
    _show_steps(pictures)
    _show_comparison(history, mine, workload)


# ---- choosing ------------------------------------------------------------------------------------------------------


def _choose_lines(lines: tuple[Line, ...]) -> list[Line]:
    benches = list(dict.fromkeys(line.bench for line in lines))
    left, middle, right = st.columns(3)
    preferred = benches.index("forward") if "forward" in benches else 0
    bench = left.selectbox("Benchmark", benches, index=preferred, key="bench", bind="query-params")
    mine = [line for line in lines if line.bench == bench]
    names = _some(middle, "Modes", list(dict.fromkeys(line.name for line in mine)), key="modes")
    shapes = _some(right, "Shapes", list(dict.fromkeys(line.shape for line in mine)), key="shapes")
    return [line for line in mine if line.name in names and line.shape in shapes]


def _some(place: Any, label: str, options: list[str], *, key: str) -> set[str]:
    chosen = place.multiselect(label, options, key=key, bind="query-params", placeholder="all")
    return set(chosen or options)


def _choose_runs(mine: pd.DataFrame) -> tuple[str | None, pd.DataFrame]:
    left, middle, right = st.columns(3)
    with left:
        chosen = parts.choose("Branch", {name: name for name in (_ALL, *branches(mine))}, name="branch", page="history")
    since = middle.text_input("From commit or day", key="since", bind="query-params", placeholder="the first")
    until = right.text_input("To commit or day", key="until", bind="query-params", placeholder="the last")
    branch = None if chosen == _ALL else chosen
    try:
        runs = window(mine, branch=branch, since=since, until=until)
    except HistoryError as error:
        parts.refuse(str(error))
        st.stop()
    if runs.empty:
        st.info("No run lies in this range.")
        st.stop()
    return branch, runs


# Ten thousand runs of four modes take a quarter of a second; the next look at the same view is free.
@st.cache_data(max_entries=300, show_spinner=False)
def _picture(
    _history: History,
    state: str,  # noqa: ARG001 - part of the key, which the history is not
    lines: tuple[Line, ...],
    _runs: list[str],
    span: tuple[str, str, int],  # noqa: ARG001 - names the runs: thousands of ids would take longer to compare
    branch: str | None,
) -> Picture:
    return picture(_history, lines, _runs, branch)


# ---- showing -------------------------------------------------------------------------------------------------------


def _show_picture(bench: str, shape: str, shown: Picture, *, is_log: bool) -> None:
    if shown.points.empty:
        return
    parts.subheader(f"{bench} {shape}")
    event = st.altair_chart(
        timeline_chart(shown.points, shown.steps, is_log=is_log),
        width="stretch",
        key=f"chart-{bench}-{shape}",
        on_select="rerun",
        selection_mode=PICKED,
        alt=f"Median per call over the runs of {bench} {shape}, a line per mode",
    )
    if shown.runs_per_point > 1:
        st.caption(f"Each point is the median of up to {shown.runs_per_point:,} runs; a narrower range shows each.")
    picked = event["selection"].get(PICKED) or []
    if picked:
        run = str(picked[0]["run"])
        st.caption("The run that you picked:")
        parts.links_to_run(run, besides="history")


def _show_steps(pictures: dict[str, Picture]) -> None:
    st.subheader("Steps found")
    steps = steps_frame(pictures.values())
    if steps.empty:
        st.caption("None in these series. A step needs some runs before and after it.")
        return
    st.caption("Advisory: where a series seems to have changed its level for good. A triangle marks each above.")
    st.dataframe(steps, width="stretch", hide_index=True)


def _show_comparison(history: History, mine: pd.DataFrame, workload: str) -> None:
    st.subheader("Two runs compared")
    if len(mine) < 2:
        st.caption("There is only one run of this workload on this machine and stack.")
        return
    labels = run_labels(mine.head(parts.MOST_RUNS))
    left, right = st.columns(2)
    with left:
        before = parts.choose("Before", labels, name="before", page="history", preferred=str(mine["run"].iloc[1]))
    with right:
        after = parts.choose("After", labels, name="after", page="history")
    try:
        comparison = history.compare(before, after)
    except HistoryError as error:
        parts.refuse(str(error))
        return
    parts.warn(comparison.warnings)
    st.dataframe(comparison_frame(comparison, workload), width="stretch", hide_index=True)
    parts.links_to_run(after, besides="history")
