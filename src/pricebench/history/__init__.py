"""Stored runs: pytest-benchmark's JSON becomes evidence. No torch: reading and judging are instant, anywhere.

The names below are imported when they are first used: whoever needs a fingerprint does not wait for Arrow.
"""

from pricebench.history.fingerprint import Fingerprint
from pricebench.history.history import History, SeriesKey, Unreadable, open_history
from pricebench.history.reader import read_run, stored_runs
from pricebench.history.records import Benchmark, HistoryError, Run
from pricebench.history.table import Group, Row, cells, side_by_side

__all__ = [
    "Benchmark",
    "Fingerprint",
    "Group",
    "History",
    "HistoryError",
    "Row",
    "Run",
    "SeriesKey",
    "Unreadable",
    "cells",
    "open_history",
    "read_run",
    "side_by_side",
    "stored_runs",
]
