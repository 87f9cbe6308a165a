"""Benchmarks: the modes beside each other, in one run, on the same work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pricebench.dashboard.charts.benchmarks import medians_chart, samples_chart
from pricebench.dashboard.findings import RULE, Versus, finding_of, table_with_ranges, versus
from pricebench.dashboard.plain import plain, plain_long
from pricebench.dashboard.runs import (
    conditions,
    groups_of,
    medians_frame,
    samples_frame,
    slowest_shown,
    warnings_of,
)
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts
from pricebench.dashboard.workloads import benchmarks_of
from pricebench.history import Benchmark, HistoryError, Run
from pricebench.limits.benchmarks import told
from pricebench.limits.records import Limits, LimitsError, newest_for


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Which mode is faster?")
    history = parts.history_or_stop(settings)
    workload, run_id = parts.choose_workload_and_run(history, page="benchmarks")
    try:
        run = history.run(run_id)
    except HistoryError as error:
        parts.refuse(str(error))
        return
    groups = groups_of(benchmarks_of(run, workload))
    if not groups:
        parts.command("This run holds no benchmarks. Make another:", parts.BENCHMARKS)
        return
    left, right = st.columns(2)
    bench = left.selectbox("Benchmark", list(groups), index=_forward(groups), key="bench", bind="query-params")
    group = groups[bench]
    shape = right.selectbox("Shape", list(group), key="shape", bind="query-params")
    benchmarks = group[shape]
    found = {
        name: {shape: versus(history, run, ones) for shape, ones in shapes.items()} for name, shapes in groups.items()
    }
    parts.finding(finding_of(bench, group, found[bench]))
    _show_others(groups, found, besides=bench)
    limits = _limits(settings, run)
    table = table_with_ranges(benchmarks, found[bench][shape], limits)
    medians = medians_frame(benchmarks)
    st.altair_chart(medians_chart(medians), width="stretch", alt="Median per call with quartiles, a bar per contestant")
    st.dataframe(table, width="stretch", hide_index=True, height="content")
    st.caption(plain_long(RULE))
    if limits is not None and "of the limit" in table:
        st.caption(plain_long(f"{told(limits, settings.reports)}."))
    parts.warn(warnings_of(run, benchmarks))
    for sentence in conditions(run):
        st.caption(plain(sentence))
    _show_samples(samples_frame(benchmarks))
    parts.links_to_run(run_id, besides="benchmarks")


def _limits(settings: Settings, run: Run) -> Limits | None:
    """Of the run's machine; one that cannot be read is said on the page of limits."""
    try:
        return newest_for(settings.reports, run.facts)
    except LimitsError:
        return None


def _show_others(
    groups: Mapping[str, Mapping[str, Sequence[Benchmark]]],
    found: Mapping[str, Mapping[str, Sequence[Versus]]],
    *,
    besides: str,
) -> None:
    others = {name: shapes for name, shapes in groups.items() if name != besides}
    if others:
        with st.expander("The other benchmarks of this run, a sentence each"):
            for name, shapes in others.items():
                st.markdown(plain_long(finding_of(name, shapes, found[name])))


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
        samples_chart(samples, cut=None if is_whole else cut),
        width="stretch",
        alt="Every sample as a stroke, the median as a diamond, a row per contestant",
    )
