"""What a run found, in one sentence per benchmark: which contestant takes what share of the reference's time.

The ratio is of two medians of one run. Its range comes from the other runs of the same machine and workload, because
one run is one process a benchmark, and its rounds say little about the next process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.dashboard.runs import NO_SHAPE, side, table_frame
from pricebench.history import USUAL_DEVIATIONS, Benchmark, History, Run, SeriesKey
from pricebench.history.comparison import MIN_RUNS, is_beyond, usual_change
from pricebench.limits.records import Limits
from pricebench.units import counted

RULE = (
    "A difference is named where the ratio is at least 3 % away from 1 and its range leaves 1 out. "
    f"From {MIN_RUNS} stored runs of this machine and workload on, the range is {USUAL_DEVIATIONS} standard deviations "
    "of the ratio from run to run, to either side. With fewer runs it is the widest that the quartiles of both allow "
    "in any of them; rounds are samples of one process and not independent, so the next process may leave this range."
)
_FEWEST_SINGLE = 3  # runs: of fewer single events nothing is said
_NUMBERS = ("median", "q1", "q3", "rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """One contestant against the reference of its group.

    Attributes:
        name: The contestant.
        ratio: Its median over the reference's, in this run; above 1 is slower.
        low: Of the range that runs of this machine allow.
        high: Of the same.
        num_runs: Behind the range.
        is_found: A difference, by `RULE`; None where single events of too few runs cannot say.
    """

    name: str
    ratio: float
    low: float
    high: float
    num_runs: int
    is_found: bool | None


def versus(history: History, run: Run, benchmarks: Sequence[Benchmark]) -> list[Versus]:
    """Every contestant of one group and shape against their reference; empty where there is none.

    Args:
        history: Where the run is stored, with the others.
        run: Whose ratios are told.
        benchmarks: Of this run; those of the group.
    """
    group = side(benchmarks)
    named = {row.name: one for row, one in zip(group.rows, benchmarks, strict=True)}
    reference = named.get(group.reference or "")
    if reference is None or not reference.median > 0:
        return []
    return [
        _against(history, run, line_of(name), one, reference)
        for name, one in named.items()
        if one is not reference and one.median > 0
    ]


def _against(history: History, run: Run, name: str, one: Benchmark, reference: Benchmark) -> Versus:
    ratio = one.median / reference.median
    ours, theirs = _in_same_runs(history, run, one, reference)
    ratios = ours["median"] / theirs["median"]
    usual = usual_change(ratios)
    if usual is not None:
        # The usual change is of two runs, and a ratio is of one.
        deviation = usual / math.sqrt(2)
        spread = math.exp(USUAL_DEVIATIONS * deviation)
        found: bool | None = is_beyond(ratio, deviation)
        return Versus(
            name=name, ratio=ratio, low=ratio / spread, high=ratio * spread, num_runs=len(ratios), is_found=found
        )
    low = float(np.min([ratio, *ratios, *_known(ours["q1"] / theirs["q3"])]))
    high = float(np.max([ratio, *ratios, *_known(ours["q3"] / theirs["q1"])]))
    found = is_beyond(ratio, 0.0) and not low <= 1.0 <= high
    if min(one.rounds, reference.rounds) < 2 and len(ratios) < _FEWEST_SINGLE:
        found = None
    return Versus(name=name, ratio=ratio, low=low, high=high, num_runs=max(1, len(ratios)), is_found=found)


def _known(ratios: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return ratios[np.isfinite(ratios) & (ratios > 0)]


def _in_same_runs(
    history: History, run: Run, one: Benchmark, reference: Benchmark
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, npt.NDArray[np.float64]]]:
    """The numbers of two benchmarks in every run that measured both on this machine, oldest first."""
    if run.machine is None:
        # Runs that state nothing about their machine may come from as many machines.
        return _of_file(one), _of_file(reference)
    keys = [SeriesKey(run.machine, each.fullname, each.workload) for each in (one, reference)]
    if any(key not in history.series_rows for key in keys):
        return _of_file(one), _of_file(reference)
    rows = [history.series_rows[key] for key in keys]
    indexes = [history.measurements.run_index[each] for each in rows]
    _, *at = np.intersect1d(indexes[0], indexes[1], return_indices=True)
    ours, theirs = (history.numbers_at(each[place], _NUMBERS) for each, place in zip(rows, at, strict=True))
    usable = (ours["median"] > 0) & (theirs["median"] > 0)
    return {name: values[usable] for name, values in ours.items()}, {
        name: values[usable] for name, values in theirs.items()
    }


def _of_file(one: Benchmark) -> dict[str, npt.NDArray[np.float64]]:
    stated = {"median": one.median, "q1": one.q1, "q3": one.q3, "rounds": one.rounds}
    return {name: np.array([np.nan if value is None else value], dtype=np.float64) for name, value in stated.items()}


# ---- in words ------------------------------------------------------------------------------------------------------


def finding_of(name: str, shapes: Mapping[str, Sequence[Benchmark]], found: Mapping[str, Sequence[Versus]]) -> str:
    """The finding of one benchmark over its shapes.

    Args:
        name: Of the benchmark, for people.
        shapes: Its contestants by shape.
        found: What `versus` says of each shape.
    """
    same: dict[str, list[str]] = {}
    unjudged: list[str] = []
    alone: list[str] = []
    told = []
    for shape, benchmarks in shapes.items():
        place, reference = _place(shape, benchmarks), line_of(side(benchmarks).reference or "")
        if not found[shape]:
            alone.append(place)
            continue
        different = [each for each in found[shape] if each.is_found]
        if different:
            each_told = _listed([f"{each.name} {_number(each.ratio)} ({_range(each)})" for each in different])
            told.append(f"for {place}, in shares of {reference}'s time, {each_told}")
        elif all(each.is_found is None for each in found[shape]):
            unjudged.append(place)
        else:
            same.setdefault(reference, []).append(place)
    parts = [f"no difference from {reference} found for {_listed(places)}" for reference, places in same.items()]
    parts += told
    if unjudged:
        parts.append(f"single events of too few runs to say for {_listed(unjudged)}")
    if alone:
        parts.append(f"nothing to compare with for {_listed(alone)}")
    return f"{name}: {'; '.join(parts)}."


def _place(shape: str, benchmarks: Sequence[Benchmark]) -> str:
    rows = {one.extra_info.get("rows") for one in benchmarks}
    (known,) = rows if len(rows) == 1 else (None,)
    if not isinstance(known, int) or isinstance(known, bool):
        return shape
    size = counted(known, "row")
    return size if shape == NO_SHAPE else f"{shape} ({size})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 99.5 else f"{ratio:,.0f}"


def _range(each: Versus) -> str:
    return f"{_number(each.low)} to {_number(each.high)}"


def table_with_ranges(
    benchmarks: Sequence[Benchmark], found: Sequence[Versus], limits: Limits | None = None
) -> pd.DataFrame:
    """The group's table, each ratio with its range and whether it is a difference."""
    table = table_frame(side(benchmarks, limits))
    if not found:
        return table
    by_name = {each.name: each for each in found}
    said = {True: "yes", False: "no", None: "too few runs"}
    ranges = [_range(by_name[name]) if name in by_name else "-" for name in table["contestant"]]
    differs = [said[by_name[name].is_found] if name in by_name else "-" for name in table["contestant"]]
    position = 1 + next(index for index, title in enumerate(table.columns) if title.startswith("/ "))
    table.insert(position, "range", ranges)
    table.insert(position + 1, "differs", differs)
    return table
