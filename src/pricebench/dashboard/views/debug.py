"""Debug: what happens to one house, what a mode made of the model, where this runs, and a run's file as it is."""

from __future__ import annotations

import streamlit as st

from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Debug")
    desk = parts.desk_or_stop(settings)
    parts.house_or_stop(desk)
