"""Two runs of one fingerprint beside each other: every benchmark of either is named, and none is called slower lightly.

One run is one process, and rounds inside it say nothing about the next process. So a ratio is held against what the
series usually does from one run to the next; without enough runs to know that, it is only shown.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pricebench.history.changepoints import MIN_RATIO
from pricebench.history.records import Benchmark, HistoryError, Run

MIN_RUNS = 8  # below, the usual change of a series is unknown
USUAL_DEVIATIONS = 3.29  # two-sided 0.1 % of a normal
_SIMILAR = 0.6  # difflib's own limit for "close"


class Status(StrEnum):
    """What the two runs have of a benchmark."""

    BOTH = "both"
    NEW = "new"
    MISSING = "missing"
    RENAMED = "renamed"  # probably: same parameters and a similar name, or the same id in another file
    INCOMPARABLE = "incomparable"  # measured with two clocks, or of two workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One benchmark in both runs.

    Attributes:
        benchmark: Full name, of the later run where it has one.
        status: What the two runs have of it.
        before: In the earlier run, or None.
        after: In the later run, or None.
        usual: Standard deviation of the logarithm of the ratio of two consecutive runs, or None if too few are known.
        note: What must be said beside the numbers, or empty.
    """

    benchmark: str
    status: Status
    before: Benchmark | None
    after: Benchmark | None
    usual: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Median after over before; None where it would mean nothing."""
        if self.before is None or self.after is None or self.status is Status.INCOMPARABLE:
            return None
        if not (self.before.median > 0 and self.after.median > 0):
            return None
        return self.after.median / self.before.median

    @property
    def is_unusual(self) -> bool | None:
        """Whether the ratio is at least 3 % and beyond 3.29 usual deviations; None if that is unknown."""
        if self.ratio is None or self.usual is None:
            return None
        return is_beyond(self.ratio, self.usual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs of one fingerprint.

    Attributes:
        before: The run that is compared with.
        after: The run that is looked at.
        rows: Benchmarks in the order of the later run, then the missing ones.
        warnings: What whoever shows the numbers must show too.
    """

    before: Run
    after: Run
    rows: tuple[Compared, ...]
    warnings: tuple[str, ...]


def compare(before: Run, after: Run, usual: Mapping[str, float] | None = None) -> Comparison:
    """Put two runs beside each other.

    Args:
        before: The run to compare with.
        after: The run that is looked at.
        usual: By full name, as `usual_change` gives it.

    Raises:
        HistoryError: They come from two machines or stacks, or from one that is unknown.
    """
    _refuse_two_machines(before, after)
    old = {benchmark.fullname: benchmark for benchmark in before.benchmarks}
    new = {benchmark.fullname: benchmark for benchmark in after.benchmarks}
    renamed = _renamed(
        [benchmark for name, benchmark in old.items() if name not in new],
        [benchmark for name, benchmark in new.items() if name not in old],
    )
    rows = [
        _row(old.get(renamed.get(name, name)), benchmark, (usual or {}).get(name)) for name, benchmark in new.items()
    ]
    gone = [name for name in old if name not in new and name not in renamed.values()]
    rows += [_row(old[name], None, None) for name in gone]
    return Comparison(before=before, after=after, rows=tuple(rows), warnings=tuple(_warnings(before, after)))


def usual_change(medians: Sequence[float] | npt.NDArray[np.float64]) -> float | None:
    """How much a series moves from one run to the next: robust standard deviation of the logarithm of the ratio.

    None below eight runs. A single step hardly moves it.

    >>> usual_change([1.0] * 7) is None
    True
    """
    values = np.asarray(medians, dtype=np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < MIN_RUNS:
        return None
    return 1.4826 * float(np.median(np.abs(np.diff(np.log(values)))))


def is_beyond(ratio: float, deviation: float) -> bool:
    """Whether a ratio is at least 3 % from 1, and further than 3.29 standard deviations of its logarithm.

    >>> is_beyond(1.1, 0.02), is_beyond(1.1, 0.05), is_beyond(1.01, 0.0)
    (True, False, False)
    """
    return abs(math.log(ratio)) >= max(math.log(MIN_RATIO), USUAL_DEVIATIONS * deviation)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Full names to what comes after the file, where that still tells all of them apart; else to themselves.

    >>> short_names(["a.py::test_f[x]", "a.py::test_g"])
    {'a.py::test_f[x]': 'test_f[x]', 'a.py::test_g': 'test_g'}
    """
    unique = dict.fromkeys(names)
    short = {name: name.partition("::")[2] or name for name in unique}
    return short if len(set(short.values())) == len(unique) else {name: name for name in unique}


def _refuse_two_machines(before: Run, after: Run) -> None:
    if before.machine is None or after.machine is None:
        raise HistoryError(
            "expected two runs of one fingerprint, found a file that states nothing about its machine. "
            "Choose runs that pricebench's plugin stored."
        )
    if before.machine == after.machine:
        return
    names = dict.fromkeys([*before.facts, *after.facts])
    differing = [
        f"{name} {before.facts.get(name, 'unknown')} against {after.facts.get(name, 'unknown')}"
        for name in names
        if before.facts.get(name) != after.facts.get(name)
    ]
    raise HistoryError(
        f"expected two runs of one fingerprint, found {before.machine} and {after.machine}: "
        f"{'; '.join(differing) or 'their facts are not stated'}. Times of two machines or stacks are not compared."
    )


def _row(before: Benchmark | None, after: Benchmark | None, usual: float | None) -> Compared:
    measured = after or before
    assert measured is not None
    status, note = Status.BOTH, ""
    if before is None:
        status = Status.NEW
    elif after is None:
        status = Status.MISSING
    elif before.timer != after.timer and before.timer and after.timer:
        status, note = Status.INCOMPARABLE, f"timer {before.timer}, now {after.timer}"
    elif before.workload != after.workload:
        was, now = (each.workload or "not stated" for each in (before, after))
        status, note = Status.INCOMPARABLE, f"workload {was}, now {now}"
    elif before.fullname != after.fullname:
        status, note = Status.RENAMED, f"probably renamed from {before.fullname}"
    return Compared(benchmark=measured.fullname, status=status, before=before, after=after, usual=usual, note=note)


def _renamed(missing: Sequence[Benchmark], new: Sequence[Benchmark]) -> dict[str, str]:
    """New full names to missing ones that they probably were; only where there is one candidate on either side."""
    found: dict[str, str] = {}
    moved_from, moved_to = _by(missing, _identity), _by(new, _identity)
    for identity, targets in moved_to.items():
        sources = moved_from.get(identity, [])
        if len(sources) == len(targets) == 1:
            found[targets[0].fullname] = sources[0].fullname
    left = [benchmark for benchmark in missing if benchmark.fullname not in found.values()]
    came = [benchmark for benchmark in new if benchmark.fullname not in found]
    functions, others = _by(left, _function), _by(came, _function)
    for source, members in functions.items():
        alike = [target for target in others if _is_alike(source, members, target, others[target])]
        if len(alike) != 1:
            continue
        rivals = [each for each in functions if _is_alike(each, functions[each], alike[0], others[alike[0]])]
        if len(rivals) == 1:
            by_params = {member.params: member.fullname for member in members}
            found |= {target.fullname: by_params[target.params] for target in others[alike[0]]}
    return found


def _by(benchmarks: Sequence[Benchmark], key: Callable[[Benchmark], str]) -> dict[str, list[Benchmark]]:
    grouped: dict[str, list[Benchmark]] = {}
    for benchmark in benchmarks:
        grouped.setdefault(key(benchmark), []).append(benchmark)
    return grouped


def _identity(benchmark: Benchmark) -> str:
    return benchmark.fullname.partition("::")[2]


def _function(benchmark: Benchmark) -> str:
    return benchmark.fullname.partition("[")[0]


def _is_alike(source: str, members: Sequence[Benchmark], target: str, others: Sequence[Benchmark]) -> bool:
    return (
        source.partition("::")[0] == target.partition("::")[0]
        and {member.params for member in members} == {other.params for other in others}
        and difflib.SequenceMatcher(None, source.partition("::")[2], target.partition("::")[2]).ratio() >= _SIMILAR
    )


def _warnings(before: Run, after: Run) -> list[str]:
    told = [f"{name}: {warning}" for name, run in (("before", before), ("after", after)) for warning in run.warnings]
    if before.data != after.data:
        told.append(f"the data sets differ: {before.data} before, {after.data} after")
    if after.fingerprint is None:
        told.append("the files state no fingerprint: torch, BLAS, threads and device are unknown, the host may differ")
    told.append("one run a side is one process a side: a ratio near 1 is no difference found")
    return told
