"""Predict: what would this house cost, and what does the answer cost in each mode?"""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pricebench.dashboard.charts.price import price_range_chart
from pricebench.dashboard.desk import TIMED_CALLS, ModePrice, ModeState, PriceDesk, quartiles
from pricebench.dashboard.house_inputs import EXAMPLE_INPUTS
from pricebench.dashboard.plain import plain
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.uploads import PricedFile, price_upload
from pricebench.dashboard.views import parts, served
from pricebench.dashboard.workloads import OWN
from pricebench.errors import PricebenchError
from pricebench.modes import MODES
from pricebench.serving import FAMILIAR_SD
from pricebench.serving.price_range import Price
from pricebench.units import format_dollars, format_duration


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("What would this house cost?")
    parts.say_workload(OWN)
    server = parts.price_server_or_stop(settings)
    if server is not None:
        served.show_price(server, parts.house_or_stop(EXAMPLE_INPUTS))
        served.show_metrics(server)
        return
    desk = parts.desk_or_stop(settings)
    house_F = parts.house_or_stop(desk.inputs)
    _show_price(desk, desk.price(house_F))
    _show_modes(desk, house_F)
    _show_upload(desk)


def _show_price(desk: PriceDesk, price: Price) -> None:
    parts.warn(price.warnings)
    number, picture = st.columns((1, 2), vertical_alignment="center")
    number.metric("Price", plain(format_dollars(price.dollars)))
    if price.most is None:
        number.caption(plain(price.range_note))
    else:
        low, high = map(format_dollars, price.most)
        number.markdown(plain(f"9 of 10 such houses cost {low} to {high}."))
        number.caption(plain(price.range_note))
    trained = desk.artifacts.stats.price
    picture.altair_chart(
        price_range_chart(price, mean=float(trained.mean), std=float(trained.std)),
        width="stretch",
        alt="The price and its range beside the prices that the model was trained on",
    )
    if price.most is not None:
        picture.caption("Dark: the middle half. Light: 9 of 10. Grey: where most training prices lie.")


# ---- modes ---------------------------------------------------------------------------------------------------------


def _show_modes(desk: PriceDesk, house_F: NDArray[np.float64]) -> None:
    st.subheader("In each execution mode")
    # While a mode compiles, only this part of the page asks again; everything else can be used.
    every = 1.0 if desk.is_warming else None
    st.fragment(_mode_cards, run_every=every)(desk, house_F, is_waiting=desk.is_warming)
    st.caption(
        f"Time from raw features to dollars for this one house: median and quartiles of {TIMED_CALLS} calls, made just "
        "now, in a process that also draws this page. Fair conditions: see Benchmarks."
    )


def _mode_cards(desk: PriceDesk, house_F: NDArray[np.float64], *, is_waiting: bool) -> None:
    # A click in here draws this part alone: the whole page is drawn again to begin asking, and again to stop.
    if is_waiting != desk.is_warming:
        st.rerun()
    tiles = st.grid(len(MODES), min_column_width=150, border=True)
    for mode in MODES:
        with tiles.cell():
            _mode_card(desk, desk.in_mode(mode.name, house_F), help_text=mode.deprecation)


def _mode_card(desk: PriceDesk, answer: ModePrice, *, help_text: str | None) -> None:
    if answer.dollars is not None and answer.ready_after is not None:
        low, middle, high = map(format_duration, quartiles(answer.samples))
        st.metric(answer.mode, plain(middle), help=help_text)
        st.markdown(plain(format_dollars(answer.dollars)))
        st.caption(plain(f"{low} to {high}; ready after {format_duration(answer.ready_after)}"))
        return
    st.metric(answer.mode, "…" if answer.state is ModeState.WARMING else "-", help=help_text)
    if answer.state is ModeState.COLD:
        st.button(
            "Compile now",
            key=f"warm-{answer.mode}",
            on_click=lambda: _start(desk, answer.mode),
            help="Takes about ten seconds the first time on a machine; the page stays usable.",
        )
    elif answer.state is ModeState.WARMING:
        st.caption("compiling …")
    else:
        st.caption(plain(answer.note))


def _start(desk: PriceDesk, mode: str) -> None:
    desk.warm_up(mode)


# ---- files ---------------------------------------------------------------------------------------------------------


def _show_upload(desk: PriceDesk) -> None:
    st.subheader("A whole file")
    upload = st.file_uploader(
        "CSV or Parquet, with any of the four headers that `pricebench train` knows",
        type=["csv", "parquet"],
        key="houses",
    )
    if upload is None:
        return
    try:
        priced = _priced(desk, upload)
    except PricebenchError as error:
        parts.refuse(str(error))
        return
    report = priced.report
    st.success(f"{report.num_rows:,} rows priced.")
    if report.num_missing:
        parts.warn([f"{report.num_missing:,} of them without a price: a value is missing."])
    if report.num_unfamiliar:
        limit = f"more than {FAMILIAR_SD:g} standard deviations from the training mean"
        parts.warn([f"{report.num_unfamiliar:,} have a value {limit}; their prices are extrapolations."])
    st.dataframe(priced.head, width="stretch", hide_index=True)
    st.download_button(
        "Download with prices", priced.csv, file_name=priced.name, mime="text/csv", icon=":material/download:"
    )


def _priced(desk: PriceDesk, upload: UploadedFile) -> PricedFile:
    """Priced once per upload and model, not at every interaction."""
    key = (upload.file_id, desk.artifacts.stats.model_digest)
    if st.session_state.get("priced_key") != key:
        st.session_state["priced"] = price_upload(desk.predictor, upload.name, upload.getvalue())
        st.session_state["priced_key"] = key
    priced: PricedFile = st.session_state["priced"]
    return priced
