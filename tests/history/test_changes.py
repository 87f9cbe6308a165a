from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from pricebench.history import SeriesKey
from pricebench.history.changes import changes_of

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SeriesKey("0123456789", "benchmarks/test_x.py::test_f[eager]", "small")


def runs(num, *, data="houses"):
    return [
        {"run": f"run{n}", "stored_at": START + timedelta(days=n), "commit": f"c{n}", "data": data} for n in range(num)
    ]


def test_a_step_is_told_with_the_runs_and_commits_around_it():
    medians = np.array([1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0, 2.0, 2.01, 1.99, 2.0, 2.01, 1.99, 2.0, 2.0])

    (change,) = changes_of(KEY, runs(16), medians)

    assert (change.benchmark, change.fingerprint) == (KEY.benchmark, KEY.fingerprint)
    assert change.workload == "small"
    assert (change.previous_run, change.run) == ("run7", "run8")
    assert (change.previous_commit, change.commit) == ("c7", "c8")
    assert change.stored_at == START + timedelta(days=8)
    assert (change.num_before, change.num_after) == (8, 8)
    assert round(change.ratio, 2) == 2.0
    assert change.note == ""


def test_another_data_set_is_named_as_what_may_be_the_cause():
    medians = np.repeat([1.0, 2.0], 8)

    (change,) = changes_of(KEY, runs(8) + runs(16, data="more houses")[8:], medians)

    assert change.note == "data set houses before, more houses after"


def test_a_level_series_has_no_changes():
    assert changes_of(KEY, runs(16), np.ones(16)) == ()
