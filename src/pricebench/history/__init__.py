"""Stored runs: pytest-benchmark's JSON becomes evidence. No torch: reading and judging are instant, anywhere.

What needs NumPy and Arrow is imported when it is first used: the pytest plugin, which only reads, starts without them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pricebench.history.fingerprint import Fingerprint
from pricebench.history.reader import read_run, stored_runs
from pricebench.history.records import Benchmark, HistoryError, Run
from pricebench.history.table import Group, Row, cells, side_by_side

if TYPE_CHECKING:
    from pricebench.history.changepoints import Step, find_steps
    from pricebench.history.changes import Change
    from pricebench.history.comparison import USUAL_DEVIATIONS, Compared, Comparison, Status, compare, short_names
    from pricebench.history.history import History, Unreadable, open_history
    from pricebench.history.series import SeriesKey

__all__ = [
    "USUAL_DEVIATIONS",
    "Benchmark",
    "Change",
    "Compared",
    "Comparison",
    "Fingerprint",
    "Group",
    "History",
    "HistoryError",
    "Row",
    "Run",
    "SeriesKey",
    "Status",
    "Step",
    "Unreadable",
    "cells",
    "compare",
    "find_steps",
    "open_history",
    "read_run",
    "short_names",
    "side_by_side",
    "stored_runs",
]

_HOMES = {
    "changepoints": ("Step", "find_steps"),
    "changes": ("Change",),
    "comparison": ("USUAL_DEVIATIONS", "Compared", "Comparison", "Status", "compare", "short_names"),
    "history": ("History", "Unreadable", "open_history"),
    "series": ("SeriesKey",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"pricebench.history.{home}"), name)
    raise AttributeError(f"module 'pricebench.history' has no attribute '{name}'; public are {', '.join(__all__)}")
