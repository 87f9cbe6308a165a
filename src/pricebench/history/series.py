"""Series: one benchmark of one workload on one fingerprint, through all runs that measured it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pricebench.history.measurements import Measurements


class SeriesKey(NamedTuple):
    """Names a series: numbers of two fingerprints, or of two workloads, are never joined.

    Attributes:
        fingerprint: As in the table of runs; None where a file states nothing about its machine.
        benchmark: Full name; it does not say which model was measured.
        workload: What was measured; None where that is not stated.
    """

    fingerprint: str | None
    benchmark: str
    workload: str | None = None


def rows_by_series(
    measured: Measurements, fingerprint_of_run: Sequence[str | None]
) -> dict[SeriesKey, npt.NDArray[np.int64]]:
    """Rows of `measured` by series, oldest run first."""
    fingerprints: list[str | None] = list(dict.fromkeys(fingerprint_of_run))
    named: list[tuple[str, str | None]] = list(
        dict.fromkeys((case["benchmark"], case["workload"]) for case in measured.cases)
    )
    machine, name = _positions(fingerprints), _positions(named)
    machine_of_run = np.array([machine[each] for each in fingerprint_of_run], dtype=np.int64)
    name_of_case = np.array([name[case["benchmark"], case["workload"]] for case in measured.cases], dtype=np.int64)
    key = name_of_case[measured.case] * len(fingerprints) + machine_of_run[measured.run_index]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    found = {}
    for rows in np.split(order, starts[1:]):
        if len(rows):
            benchmark, workload = named[key[rows[0]] // len(fingerprints)]
            found[SeriesKey(fingerprints[key[rows[0]] % len(fingerprints)], benchmark, workload)] = rows
    return found


def _positions(values: Sequence[Any]) -> dict[Any, int]:
    return {value: position for position, value in enumerate(values)}
