"""Stored runs: pytest-benchmark's JSON becomes evidence. No torch: reading and judging are instant, anywhere."""

from pricebench.history.changepoints import Step, find_steps
from pricebench.history.changes import Change
from pricebench.history.compare import USUAL_DEVIATIONS, Compared, Comparison, Status, compare, short_names
from pricebench.history.fingerprint import Fingerprint
from pricebench.history.history import History, SeriesKey, Unreadable, open_history
from pricebench.history.reader import read_run, stored_runs
from pricebench.history.records import Benchmark, HistoryError, Run
from pricebench.history.table import Group, Row, cells, side_by_side

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
