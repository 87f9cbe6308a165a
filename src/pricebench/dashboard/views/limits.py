"""Limits: how far each benchmark is from what this machine can do, and what binds it."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from pricebench.dashboard.charts.roofline import roofline_chart
from pricebench.dashboard.plain import line_of, plain_long
from pricebench.dashboard.rooflines import finding, is_of, points_frame, points_table, roofs_frame
from pricebench.dashboard.runs import as_mapping
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.tables import section_frame
from pricebench.dashboard.views import parts
from pricebench.dashboard.views.stored import reports_or_stop
from pricebench.errors import PricebenchError
from pricebench.history import Run
from pricebench.limits.records import FOLDER, Limits
from pricebench.limits.table import sections, sentences


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("How far from the limit?")
    reports = reports_or_stop(
        settings,
        FOLDER,
        Limits.load,
        noun="limits report",
        duration="a minute and a half",
        command="uv run pricebench limits",
    )
    left, right = st.columns(2)
    with left:
        chosen = parts.choose(
            "Limits",
            {path.stem: _label(limits) for path, limits in reports.found.items()},
            name="report",
            page="limits",
        )
    limits = next(limits for path, limits in reports.found.items() if path.stem == chosen)
    numbers = sorted({rate.threads for rate in limits.rates})
    newest = _newest_runs(settings, limits)
    measured = next((str(number) for number in numbers if number in newest), None)
    with right:
        labels = {str(number): str(number) for number in numbers}
        threads = int(parts.choose("Threads", labels, name="threads", page="limits", preferred=measured))
    parts.warn(limits.warnings)
    run = newest.get(threads)
    points = points_frame(limits, run.benchmarks if run else (), threads)
    if run is None:
        option = f"--threads {threads}{parts.reports_option(settings)}"
        parts.command("No stored run is of this machine and so many threads. Make one:", f"{parts.BENCHMARKS} {option}")
    else:
        parts.finding(finding(points))
    roofs = roofs_frame(limits, threads, points["intensity"].tolist())
    if not roofs.empty:
        st.altair_chart(
            roofline_chart(roofs, points, list(dict.fromkeys(points["contestant"]))),
            width="stretch",
            alt="FLOP a second against FLOP per byte: each benchmark below the machine's roofs",
        )
        st.caption(
            "A level line is the best rate that any library reached, a dashed one what reading memory allows. The "
            "higher a point, the less is left to win; its shape says what explains at least half of its time."
        )
    if not points.empty:
        st.dataframe(points_table(points), width="stretch", hide_index=True)
    for section in sections(limits):
        parts.subheader(section.title)
        st.dataframe(section_frame(section), width="stretch", hide_index=True)
    for sentence in sentences(limits):
        st.caption(plain_long(sentence))


def _label(limits: Limits) -> str:
    return line_of(f"{limits.started} · {limits.machine.get('cpu', 'unknown CPU')} · {limits.fingerprint}")


def _newest_runs(settings: Settings, limits: Limits) -> dict[int, Run]:
    """The newest run of the same machine, by number of threads; only these are read, the index knows the others."""
    history = parts.history_or_none(settings)
    if history is None:
        return {}
    found: dict[int, Run] = {}
    for row in history.runs.iloc[::-1].itertuples():
        facts = as_mapping(row.facts)
        threads = facts.get("threads")
        if isinstance(threads, int) and threads not in found and is_of(limits, facts):
            with suppress(PricebenchError):
                found[threads] = history.run(str(row.run))
    return found
