"""Steps in a series of run medians: where a benchmark became slower or faster and stayed so. Advisory.

The method and its error rates are in `docs/how-we-judge.md`; `python -m evidence.changepoint_rates` measures them.
Symbols: x is a logarithm of seconds, n a number of points, z a test statistic on the scale of a standard normal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pricebench.units import Second

Numbers = npt.NDArray[np.float64]

MIN_POINTS = 3  # on either side of a step: two spikes in a row are no step
MIN_RATIO = 1.03  # smaller steps do not matter
WINDOW = 120  # points that are looked at together; older ones say little about now
_MIN_BUMP = 7  # points of an episode that came and went: three spikes among five are too common
_FEW = 5  # a level of fewer points has to be unanimous
_CLAMP_SD = 4.0  # a spike counts for no more than this
_NEIGHBOURS = 2  # on either side, for the local median: a run of three keeps its own level
# The median absolute residual to a median of 5 neighbours, of which the point is one, falls short of the standard
# deviation by this factor (Gaussian; simulated with 20,000 series of 100).
_RESIDUAL_TO_SD = 1.384 * 1.4826

# Quantiles of the largest z over all positions in n stationary Gaussian points, after clamping: 99.65 % for a split in
# two, 99.95 % for a bump in the middle. From `python -m evidence.changepoint_rates --critical --series 60000`.
CRITICAL = {
    6: (3.163, 0.0),
    7: (3.404, 0.0),
    8: (3.473, 0.0),
    9: (3.715, 0.0),
    10: (3.596, 0.0),
    11: (3.694, 0.0),
    12: (3.674, 0.0),
    14: (3.67, 3.924),
    16: (3.653, 4.182),
    20: (3.661, 4.451),
    25: (3.726, 4.559),
    30: (3.732, 4.63),
    40: (3.768, 4.75),
    50: (3.802, 4.69),
    60: (3.793, 4.82),
    80: (3.831, 4.903),
    100: (3.856, 4.931),
    120: (3.855, 5.006),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of level.

    Attributes:
        index: Of the first point after it.
        before: Median of the points since the step before it.
        after: Median of the points until the next one.
        num_before: Points behind `before`.
        num_after: Points behind `after`.
        score: Difference of the two levels in its standard errors, on the scale of a standard normal.
    """

    index: int
    before: Second
    after: Second
    num_before: int
    num_after: int
    score: float

    @property
    def ratio(self) -> float:
        """`after / before`."""
        return self.after / self.before


def find_steps(seconds: Sequence[float] | Numbers) -> tuple[Step, ...]:
    """The steps of one series, oldest first.

    Points that are no positive number are passed over. Below six points nothing is found.

    Args:
        seconds: Medians of runs, oldest first.

    >>> [(step.index, round(step.ratio, 2)) for step in find_steps([1.0, 1.02, 0.99, 1.01, 0.98, 1.0, 1.2, 1.22, 1.19])]
    [(6, 1.2)]
    """
    given = np.asarray(seconds, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(given) & (given > 0))
    used = given[kept]
    if len(used) < 2 * MIN_POINTS:
        return ()
    x = clamped(np.log(used))
    positions = _confirmed(x, used, sorted(set(_candidates(x))))
    bounds = [0, *positions, len(used)]
    return tuple(
        Step(
            index=int(kept[here]),
            before=float(np.median(used[start:here])),
            after=float(np.median(used[here:end])),
            num_before=here - start,
            num_after=end - here,
            score=_z_at(x, here, *_around(start, here, end)),
        )
        for start, here, end in zip(bounds, bounds[1:], bounds[2:], strict=False)
    )


def clamped(x: Numbers) -> Numbers:
    """Each point moved to within four robust standard deviations of the median of its neighbours and itself."""
    windows = np.lib.stride_tricks.sliding_window_view(x, 2 * _NEIGHBOURS + 1)
    local = np.concatenate([_edge(x), np.median(windows, axis=1), _edge(x[::-1])[::-1]])
    spread = _CLAMP_SD * _RESIDUAL_TO_SD * float(np.median(np.abs(x - local)))
    return np.clip(x, local - spread, local + spread)


def _edge(x: Numbers) -> list[float]:
    return [float(np.median(x[: each + _NEIGHBOURS + 1])) for each in range(_NEIGHBOURS)]


def _candidates(x: Numbers) -> Iterator[int]:
    """Positions found in overlapping windows; the last window ends with the series."""
    starts = [*range(0, max(1, len(x) - WINDOW), WINDOW // 2), max(0, len(x) - WINDOW)]
    for start in sorted(set(starts)):
        yield from _split(x, start, min(start + WINDOW, len(x)))


def _split(x: Numbers, start: int, end: int) -> Iterator[int]:
    """Binary segmentation: the best position, then those in the parts."""
    num_points = end - start
    if num_points < 2 * MIN_POINTS:
        return
    z, position = best_split(x[start:end])
    found = [start + position] if z > critical_split(num_points) else []
    if not found:
        # Up and down again is weak evidence for any single split: it is looked for as such, with a stricter limit.
        z, first, last = best_bump(x[start:end])
        found = [start + first, start + last] if z > critical_bump(num_points) else []
    yield from found
    if found:
        bounds = [start, *found, end]
        for left, right in pairwise(bounds):
            yield from _split(x, left, right)


def best_split(x: Numbers) -> tuple[float, int]:
    """The largest two-sample z over all splits with at least three points on either side, and its position."""
    centred = x - x.mean()
    left = np.arange(MIN_POINTS, len(x) - MIN_POINTS + 1)
    between = np.cumsum(centred)[left - 1] ** 2 * (1 / left + 1 / (len(x) - left))
    best = int(between.argmax())
    return _z_of(float(between[best]), float(centred @ centred), len(x)), int(left[best])


def best_bump(x: Numbers) -> tuple[float, int, int]:
    """The largest z of seven or more points against the rest on both sides of them, and where they start and end."""
    first, last, weight = _bumps(len(x))
    if not len(first):
        return 0.0, 0, 0
    centred = x - x.mean()
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    between = (sums[last] - sums[first]) ** 2 * weight
    best = int(between.argmax())
    return _z_of(float(between[best]), float(centred @ centred), len(x)), int(first[best]), int(last[best])


@cache
def _bumps(num_points: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Numbers]:
    starts, lengths = np.meshgrid(np.arange(num_points), np.arange(_MIN_BUMP, num_points), indexing="ij")
    inside = (starts >= MIN_POINTS) & (starts + lengths <= num_points - MIN_POINTS)
    first, size = starts[inside], lengths[inside]
    return first, first + size, 1 / size + 1 / (num_points - size)


def _z_of(between: float, total: float, num_points: int) -> float:
    """From sums of squares to Student's t to z; the last by D. L. Wallace, Ann. Math. Statist. 30 (1959), eq. 1."""
    freedom = num_points - 2
    within = max(total - between, 1e-12 * total)
    if within <= 0:
        return 0.0
    t2 = between * freedom / within
    return (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t2 / freedom))


def _confirmed(x: Numbers, seconds: Numbers, positions: list[int]) -> list[int]:
    """Drop the weakest until every step holds between its neighbours, and is large enough to matter."""
    while positions:
        bounds = [0, *positions, len(x)]
        scores = [
            _margin(x, seconds, start, here, end)
            for start, here, end in zip(bounds, bounds[1:], bounds[2:], strict=False)
        ]
        weakest = min(range(len(scores)), key=scores.__getitem__)
        if scores[weakest] > 0:
            break
        del positions[weakest]
    return positions


def _margin(x: Numbers, seconds: Numbers, start: int, here: int, end: int) -> float:
    """How far a step is above what it needs, negative if it falls short."""
    start, end = _around(start, here, end)
    if min(here - start, end - here) < MIN_POINTS:
        return -math.inf
    if not _is_unanimous(seconds[start:here], seconds[here:end]):
        return -math.inf
    by_mean = abs(float(x[here:end].mean() - x[start:here].mean()))
    by_median = abs(math.log(float(np.median(seconds[here:end]) / np.median(seconds[start:here]))))
    if min(by_mean, by_median) < math.log(MIN_RATIO):
        return -1.0 / max(by_mean, 1e-9)
    return _z_at(x, here, start, end) - critical_split(min(end - start, WINDOW))


def _is_unanimous(before: Numbers, after: Numbers) -> bool:
    """Whether every point of a level of few points lies beyond the other level: two spikes of three points do not."""
    old, new = float(np.median(before)), float(np.median(after))
    few_after = len(after) >= _FEW or bool(((after - old) * (new - old) > 0).all())
    few_before = len(before) >= _FEW or bool(((before - new) * (old - new) > 0).all())
    return few_after and few_before


def _around(start: int, here: int, end: int) -> tuple[int, int]:
    return max(start, here - WINDOW), min(end, here + WINDOW)


def _z_at(x: Numbers, here: int, start: int, end: int) -> float:
    part = x[start:end] - x[start:end].mean()
    left = here - start
    between = float(part[:left].sum()) ** 2 * (1 / left + 1 / (len(part) - left))
    return _z_of(between, float(part @ part), len(part))


def critical_split(num_points: int) -> float:
    """What the best of all splits in so many points must exceed."""
    return _interpolated(num_points, 0)


def critical_bump(num_points: int) -> float:
    """What the best of all bumps in so many points must exceed."""
    return _interpolated(num_points, 1)


@cache
def _interpolated(num_points: int, column: int) -> float:
    lengths = list(CRITICAL)
    return float(np.interp(math.log(num_points), np.log(lengths), [CRITICAL[length][column] for length in lengths]))
