"""Debug: what happens to one house, what a mode made of the model, where this runs, and a run's file as it is."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pricebench.dashboard.desk import PriceDesk
from pricebench.dashboard.plain import plain
from pricebench.dashboard.runs import without_samples
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts
from pricebench.dashboard.walkthrough import environment, steps, walk
from pricebench.dashboard.workloads import OWN, workloads_in
from pricebench.errors import ModeError
from pricebench.history import HistoryError
from pricebench.modes import MODES

_HOUSE, _CODE, _ENVIRONMENT, _RUN = SECTIONS = ("One house", "Code of a mode", "Environment", "Raw run")


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("What happens inside?")
    section = st.segmented_control(
        "Look at",
        SECTIONS,
        default=_HOUSE,
        required=True,
        key="look",
        bind="query-params",
        label_visibility="collapsed",
    )
    if section == _HOUSE:
        _show_house(parts.desk_or_stop(settings))
    elif section == _CODE:
        _show_code(parts.desk_or_stop(settings))
    elif section == _ENVIRONMENT:
        _show_environment()
    else:
        _show_run(settings)


def _show_house(desk: PriceDesk) -> None:
    parts.say_workload(OWN)
    house = walk(desk.artifacts, parts.house_or_stop(desk.inputs))
    st.subheader("1. Raw features become z-scores")
    st.caption("z = (value - training mean) / training standard deviation, in float64, rounded to float32 at the end.")
    st.dataframe(house.features, width="stretch", hide_index=True)
    st.subheader("2. Two hidden layers")
    st.caption("Units above zero after ReLU are active; the others pass nothing on.")
    st.dataframe(house.layers, width="stretch", hide_index=True)
    st.subheader("3. The output becomes dollars")
    st.code("\n".join(steps(house)), language=None, wrap_lines=True)


def _show_code(desk: PriceDesk) -> None:
    mode = st.segmented_control(
        "Mode", [mode.name for mode in MODES], default="fx", required=True, key="mode", bind="query-params"
    )
    name = str(mode)
    parts.say_workload(OWN)
    if not desk.has_code(name) and not st.button(
        "Compile and show", help="Takes about ten seconds, and the mode has to be compiled again under Predict."
    ):
        return
    try:
        with st.spinner("Compiling …"):
            code = desk.code(name)
        st.code(code, language="python", wrap_lines=True)
    except ModeError as error:
        st.info(plain(str(error)), icon=":material/info:")


def _show_environment() -> None:
    facts = environment()
    st.dataframe(
        pd.DataFrame({"fact": list(facts), "here": list(facts.values())}),
        width="stretch",
        hide_index=True,
        height="content",
    )


def _show_run(settings: Settings) -> None:
    history = parts.history_or_stop(settings)
    run_id = parts.choose_run(history, history.runs, page="debug")
    try:
        content = history.raw(run_id)
    except HistoryError as error:
        parts.refuse(str(error))
        return
    st.download_button(
        "Download the file",
        content,
        file_name=f"{run_id.rpartition('/')[2]}.json",
        mime="application/json",
        icon=":material/download:",
    )
    st.caption("Long lists of samples are cut short here, not in the download.")
    content_shown = without_samples(content)
    parts.say_workload(*workloads_in(content_shown))
    st.json(content_shown, expanded=1)
    parts.links_to_run(run_id, besides="debug")
