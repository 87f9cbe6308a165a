"""Predict, where a running server answers: its price for the house, and what it does just now."""

from __future__ import annotations

import time

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pricebench.dashboard.charts.live import batches_chart, latencies_chart, requests_chart
from pricebench.dashboard.live import LEVELS, SHOWN, WINDOW, Between, Live, MetricsError, Reading, batches_frame
from pricebench.dashboard.plain import plain
from pricebench.dashboard.price_server import PriceServer, PriceServerError
from pricebench.dashboard.views import parts
from pricebench.units import Second, format_dollars, format_duration, format_rate

_EVERY: Second = 2.0
_DIGITS = 12  # of a digest, as everywhere


def show_price(server: PriceServer, house_F: NDArray[np.float64]) -> None:
    """The server's answer for one house, `(F,)`."""
    try:
        price = server.price(house_F.tolist())
    except PriceServerError as error:
        parts.refuse(str(error))
        return
    parts.warn(price.warnings)
    st.metric("Price", plain(format_dollars(price.dollars)))
    if price.most is None:
        st.markdown(plain(price.no_range or "No range."))
    else:
        low, high = map(format_dollars, price.most)
        st.markdown(plain(f"9 of 10 such houses cost {low} to {high}."))
    st.caption(plain(f"Answered by {server.url} with the model {price.model[:_DIGITS]}."))


def show_metrics(server: PriceServer) -> None:
    """What it does, read again every two seconds; the rest of the page is left alone."""
    st.subheader("The server just now")
    st.fragment(_metrics, run_every=_EVERY)(server)


def _metrics(server: PriceServer) -> None:
    # Readings belong to a browser tab, and to the server that the dashboard was started with.
    live: Live = st.session_state.setdefault("live", Live())
    try:
        live.add(Reading.from_text(server.metrics(), at=time.monotonic()))
    except (MetricsError, PriceServerError) as error:
        parts.refuse(str(error))
        return
    newest, lately = live.newest, live.lately()
    assert newest is not None
    _tiles(newest, lately)
    if lately:
        _charts(live, lately)
    since = f"of the last {lately.seconds:.0f} s" if lately else f"from the second reading on, {_EVERY:g} s after this"
    st.caption(
        plain(
            f"{newest.num_connections:,.0f} connections, model {newest.model[:_DIGITS]}, mode {newest.mode}. "
            f"Rates and percentiles are {since}, at most {WINDOW:g} s; percentiles are interpolated between the "
            "bounds that the server counts by."
        )
    )


def _charts(live: Live, lately: Between) -> None:
    frame = live.frame()
    left, middle, right = st.columns(3)
    left.altair_chart(requests_chart(frame, shown=SHOWN), width="stretch", alt="Requests a second, by time")
    middle.altair_chart(latencies_chart(frame, shown=SHOWN), width="stretch", alt="Percentiles of the latency, by time")
    right.altair_chart(batches_chart(batches_frame(lately.batch_rows)), width="stretch", alt="Batches by their rows")


def _tiles(newest: Reading, lately: Between | None) -> None:
    shown = {"Requests": format_rate(lately.per_second) if lately else "-"}
    for level in LEVELS:
        seconds = lately.latency.quantile(level) if lately else None
        shown[f"p{level * 100:g}"] = "-" if seconds is None else format_duration(seconds)
    mean = lately.batch_rows.mean if lately else None
    shown |= {
        "Rows a batch": "-" if mean is None else f"{mean:,.1f}",
        "Refused": f"{lately.num_refused:,.0f}" if lately else "-",
        "Rows waiting": f"{newest.num_waiting:,.0f}",
        "Workers ready": f"{newest.num_ready:,.0f}",
        "Restarts": f"{newest.num_restarts:,.0f}",
        "Compilations": f"{newest.num_compilations:,.0f}",
    }
    tiles = st.grid(len(shown), min_column_width=130, border=True)
    for label, value in shown.items():
        with tiles.cell():
            st.metric(label, plain(value))
    if newest.num_compilations:
        parts.warn([f"{newest.num_compilations:,.0f} graphs were compiled while serving, expected none: a fault."])
