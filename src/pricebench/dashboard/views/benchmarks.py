"""Benchmarks: the modes of one run beside each other."""

from __future__ import annotations

import streamlit as st

from pricebench.dashboard.settings import Settings


def show(settings: Settings) -> None:
    """Draw the page."""
    st.title("Benchmarks")
