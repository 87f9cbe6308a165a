"""The steps of a series, with the runs and commits between which they happened. Advisory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from pricebench.history.changepoints import find_steps
from pricebench.history.series import SeriesKey
from pricebench.units import Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A step in one series.

    Attributes:
        fingerprint: Of the series.
        benchmark: Full name.
        workload: Of the series.
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
    workload: str | None
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


def changes_of(
    key: SeriesKey, runs: Sequence[Mapping[str, Any]], medians: npt.NDArray[np.float64]
) -> tuple[Change, ...]:
    """The steps of one series, oldest first.

    Args:
        key: Which one.
        runs: Of each point, oldest first: `run`, `stored_at` (which has to be known), `commit` and `data`.
        medians: Of each point.
    """
    return tuple(
        Change(
            fingerprint=key.fingerprint,
            benchmark=key.benchmark,
            workload=key.workload,
            run=runs[step.index]["run"],
            previous_run=runs[step.index - 1]["run"],
            stored_at=runs[step.index]["stored_at"],
            commit=runs[step.index]["commit"],
            previous_commit=runs[step.index - 1]["commit"],
            before=step.before,
            after=step.after,
            num_before=step.num_before,
            num_after=step.num_after,
            score=step.score,
            note=_note(runs[step.index - 1]["data"], runs[step.index]["data"]),
        )
        for step in find_steps(medians)
    )


def _note(data_before: str, data_after: str) -> str:
    return "" if data_before == data_after else f"data set {data_before} before, {data_after} after"
