"""Stored runs: pytest-benchmark's JSON becomes evidence. No torch: reading and judging are instant, anywhere."""

from pricebench.history.fingerprint import Fingerprint
from pricebench.history.reader import read_run, stored_runs
from pricebench.history.records import Benchmark, HistoryError, Run
from pricebench.history.table import Group, Row, cells, side_by_side

__all__ = [
    "Benchmark",
    "Fingerprint",
    "Group",
    "HistoryError",
    "Row",
    "Run",
    "cells",
    "read_run",
    "side_by_side",
    "stored_runs",
]
