"""The steps of every series of a history, with the runs and commits between which they happened. Advisory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pricebench.history.changepoints import MIN_POINTS, find_steps
from pricebench.units import Second

if TYPE_CHECKING:
    from pricebench.history.history import History, SeriesKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A step in one series.

    Attributes:
        fingerprint: Of the series.
        benchmark: Full name.
        run: Id of the first run after the step.
        previous_run: Id of the last run before it.
        stored_at: When `run` was stored.
        commit: Of `run`.
        previous_commit: Of `previous_run`; the change is in the commits after it, up to `commit`.
        before: Median of the runs since the step before it.
        after: Median of the runs until the next one.
        num_before: Runs behind `before`.
        num_after: Runs behind `after`.
        score: Difference of the two levels in its standard errors.
        note: What else differs between the two runs and may be the cause, or empty.
    """

    fingerprint: str | None
    benchmark: str
    run: str
    previous_run: str
    stored_at: datetime
    commit: str
    previous_commit: str
    before: Second
    after: Second
    num_before: int
    num_after: int
    score: float
    note: str

    @property
    def ratio(self) -> float:
        """`after / before`: above 1 is slower."""
        return self.after / self.before


def changes_of(history: History, key: SeriesKey, branch: str | None = None) -> tuple[Change, ...]:
    """The steps of one series, oldest first; runs without a readable time have no place in it.

    Args:
        history: Where the series is.
        key: Which one.
        branch: Only runs of this branch; None takes all.
    """
    rows = points_of(history, key, branch)
    if len(rows) < 2 * MIN_POINTS:
        return ()
    measured = history.measurements
    of_run = measured.run_index[rows]

    def told(name: str, point: int) -> Any:
        return history.run_rows[of_run[point]][name]

    return tuple(
        Change(
            fingerprint=key.fingerprint,
            benchmark=key.benchmark,
            run=told("run", step.index),
            previous_run=told("run", step.index - 1),
            stored_at=told("stored_at", step.index),
            commit=told("commit", step.index),
            previous_commit=told("commit", step.index - 1),
            before=step.before,
            after=step.after,
            num_before=step.num_before,
            num_after=step.num_after,
            score=step.score,
            note=_note(told("data", step.index - 1), told("data", step.index)),
        )
        for step in find_steps(measured.median[rows])
    )


def points_of(history: History, key: SeriesKey, branch: str | None = None) -> npt.NDArray[np.int64]:
    """The rows of a series whose runs have a time, of one branch or of all."""
    rows = history.series_rows[key]
    usable = history.usable_runs(branch)
    return rows[usable[history.measurements.run_index[rows]]]


def _note(data_before: str, data_after: str) -> str:
    return "" if data_before == data_after else f"data set {data_before} before, {data_after} after"
