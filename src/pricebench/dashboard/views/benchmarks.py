"""Benchmarks: the modes beside each other, in one run, on the same work."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from pricebench.dashboard import charts
from pricebench.dashboard.plain import plain
from pricebench.dashboard.runs import (
    conditions,
    groups_of,
    medians_frame,
    samples_frame,
    side,
    slowest_shown,
    table_frame,
    warnings_of,
)
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts
from pricebench.history import HistoryError


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Which mode is faster?")
    history = parts.history_or_stop(settings)
    run_id = parts.choose_run(history, page="benchmarks")
    try:
        run = history.run(run_id)
    except HistoryError as error:
        parts.refuse(str(error))
        return
    groups = groups_of(run)
    if not groups:
        parts.command("This run holds no benchmarks. Make another:", parts.BENCHMARKS)
        return
    left, right = st.columns(2)
    group = groups[left.selectbox("Benchmark", list(groups), index=_forward(groups), key="bench", bind="query-params")]
    benchmarks = group[right.selectbox("Shape", list(group), key="shape", bind="query-params")]

    table = table_frame(side(benchmarks))
    medians = medians_frame(benchmarks)
    st.altair_chart(
        charts.medians(medians), width="stretch", alt="Median per call with quartiles, a bar per contestant"
    )
    st.dataframe(table, width="stretch", hide_index=True, height="content")
    parts.warn(warnings_of(run, benchmarks))
    for sentence in conditions(run):
        st.caption(plain(sentence))
    _show_samples(samples_frame(benchmarks))
    parts.links_to_run(run_id, besides="benchmarks")


def _forward(groups: Mapping[str, object]) -> int:
    names = list(groups)
    return names.index("forward") if "forward" in names else 0


def _show_samples(samples: pd.DataFrame) -> None:
    st.subheader("Every sample")
    if samples.empty:
        st.caption("This file holds no raw samples, so there is no distribution to show.")
        return
    if samples.groupby("name").size().max() == 1:
        st.caption("Each is a single event: there is no distribution.")
        return
    cut = slowest_shown(samples)
    num_left_out = int((samples["seconds"] > cut).sum())
    is_whole = bool(num_left_out) and st.toggle(
        f"Draw the slowest {num_left_out:,} of {len(samples):,} samples too", key="slowest", bind="query-params"
    )
    st.altair_chart(
        charts.samples(samples, cut=None if is_whole else cut),
        width="stretch",
        alt="Every sample as a stroke, the median as a diamond, a row per contestant",
    )
