"""The reports that a page shows, or the command that makes the first one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import streamlit as st

from pricebench.dashboard.reports import Reports, read_reports
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import parts
from pricebench.files import stored_reports

R = TypeVar("R")


def reports_or_stop(
    settings: Settings, folder: str, load: Callable[[Path], R], *, noun: str, duration: str, command: str
) -> Reports[R]:
    """The reports of a folder below `reports`; without any, a sentence with the command, and the end of the page.

    Args:
        settings: Where the reports are.
        folder: The name below.
        load: Reads one.
        noun: What one is called.
        duration: How long making one takes.
        command: Makes one.
    """
    place = settings.reports / folder
    reports: Reports[R] = _read(place, parts.versions_below(place, "*.json"), load)
    parts.unreadable(reports.unreadable.items())
    if not reports.found:
        sentence = f"There is no {noun} in {place} yet. Make one; it takes {duration}:"
        parts.command(sentence, f"{command}{parts.reports_option(settings)}")
        st.stop()
    return reports


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(folder: Path, versions: tuple[object, ...], _load: Callable[[Path], R]) -> Reports[R]:  # noqa: ARG001
    """The folder and its versions are the key."""
    return read_reports(stored_reports(folder), _load)
