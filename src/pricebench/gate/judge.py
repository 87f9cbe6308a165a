"""From the blocks of a gate run to a verdict per benchmark. No torch, no clock: the same blocks give the same verdict.

The rule, its reasons and its measured error rates: docs/how-we-judge.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pricebench.gate.records import Arm
from pricebench.paired import statistics
from pricebench.paired.records import Block
from pricebench.paired.statistics import looks_reached, quantile, trimmed_mean
from pricebench.quantiles import gammaincinv, nctdtrinc, ndtri

# Error of calling identical code slower over all looks, and as much for faster.
ALPHA = 0.0025
# Of either end of the shown interval, over all looks: 95 % in all.
INTERVAL_ALPHA = 0.025
# A change counts from four fifths of the threshold on: a slowdown as large as the threshold is then found more often
# than not, though an estimate falls below the truth half of the time.
COUNTS_FROM = 0.8
# `ok` is a finding too: the whole interval has to lie below one and a half thresholds.
OK_BELOW = 1.5
_MEDIAN_ERROR = math.sqrt(math.pi / 2)  # of a median, in errors of a mean
_POWER = 0.9  # with which a detectable slowdown is found


class Verdict(StrEnum):
    """What is said of a benchmark."""

    OK = "ok"
    SLOWER = "slower"
    FASTER = "faster"
    UNDECIDED = "undecided"
    NEW = "new"
    GONE = "gone"
    WRONG = "wrong answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What blocks say of one change; shares, so that 0.05 is 5 % slower.

    Attributes:
        verdict: `ok`, `slower`, `faster` or `undecided`.
        change: Estimated; NaN without blocks.
        low: Of the interval that holds the change with 95 %, at all looks together; minus infinity before the first.
        high: Its other end.
        num_blocks: That were used.
        num_slower: Of those, in which head took longer.
        detectable: The slowdown that this many blocks, as noisy as these, call slower nine times of ten.
    """

    verdict: Verdict
    change: float
    low: float
    high: float
    num_blocks: int
    num_slower: int
    detectable: float


def log_ratio(
    block: Block, benchmark: str, arm: Arm = Arm.HEAD, against: Sequence[Arm] = (Arm.BASE, Arm.NULL)
) -> float:
    """`paired.statistics.log_ratio`, of head against both copies of base."""
    return statistics.log_ratio(block, benchmark, arm, against)


def log_ratios(
    blocks: Sequence[Block], benchmark: str, arm: Arm = Arm.HEAD, against: Sequence[Arm] = (Arm.BASE, Arm.NULL)
) -> NDArray[np.float64]:
    """`log_ratio` of every block that measured all these arms."""
    return statistics.log_ratios(blocks, benchmark, arm, against)


def judge(ratios: Sequence[float] | NDArray[np.float64], threshold: float) -> Judgement:
    """Judge one change by the logarithms of its ratios, a block each, in the order of measuring.

    The first look that decides counts. A verdict does not depend on what came after it.

    Args:
        ratios: One per block; finite.
        threshold: The slowdown to find, as a share.

    Raises:
        ValueError: A ratio is not finite, or the threshold not positive.

    >>> judge([0.10, 0.11, 0.09, 0.10, 0.12, 0.10, 0.09, 0.10], 0.05).verdict
    <Verdict.SLOWER: 'slower'>
    """
    values = np.asarray(ratios, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("expected finite ratios, found NaN or infinity: a slice of no length was measured")
    if threshold <= 0:
        raise ValueError(f"expected a threshold above 0, found {threshold}")
    reached = looks_reached(len(values))
    if not reached:
        center = float(np.median(values)) if len(values) else math.nan
        return Judgement(
            verdict=Verdict.UNDECIDED,
            change=math.expm1(center),
            low=-math.inf,
            high=math.inf,
            num_blocks=len(values),
            num_slower=int((values > 0).sum()),
            detectable=math.inf,
        )
    for look, number in enumerate(reached, 1):
        found = _look(values[:number], look, threshold)
        if found.verdict is not Verdict.UNDECIDED:
            break
    return found


def _look(values: NDArray[np.float64], look: int, threshold: float) -> Judgement:
    center, error, freedom = trimmed_mean(values)
    counts_from, ok_below = math.log1p(COUNTS_FROM * threshold), math.log1p(OK_BELOW * threshold)
    certain = quantile(ALPHA, look, freedom) * error
    likely = quantile(INTERVAL_ALPHA, look, freedom) * error
    median = float(np.median(values))
    if min(center, median) >= counts_from and center > certain:
        verdict = Verdict.SLOWER
    elif max(center, median) <= -counts_from and center < -certain:
        verdict = Verdict.FASTER
    elif center + likely < ok_below:
        verdict = Verdict.OK
    else:
        verdict = Verdict.UNDECIDED
    return Judgement(
        verdict=verdict,
        change=math.expm1(center),
        low=math.expm1(center - likely),
        high=math.expm1(center + likely),
        num_blocks=len(values),
        num_slower=int((values > 0).sum()),
        detectable=math.expm1(_detectable(counts_from, quantile(ALPHA, look, freedom), error, freedom)),
    )


def _detectable(counts_from: float, certain: float, error: float, freedom: int) -> float:
    """Logarithm of the slowdown that is found nine times of ten: by Student's t, and by size, in mean and median."""
    # An error that was estimated from few blocks is below the true one more often than above: this is its median.
    error *= math.sqrt(freedom / (2 * gammaincinv(freedom / 2, 0.5)))
    by_certainty = nctdtrinc(freedom, 1 - _POWER, certain) * error
    by_size = counts_from + _MEDIAN_ERROR * ndtri(_POWER) * error
    return max(by_certainty, by_size)
