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

from pricebench.gate.records import Arm, Block
from pricebench.quantiles import gammaincinv, nctdtrinc, ndtri, stdtrit
from pricebench.units import Second

# Blocks after which a verdict may be given. Fixed before anything is measured: looking after every block and stopping
# when it pleases would be paid for by no one.
LOOKS = (8, 12, 16, 24, 32, 48, 64)
# Error of calling identical code slower over all looks, and as much for faster; half of it is spent at the first look,
# half of the rest at the second, and so on, so the sum is never exceeded however many looks there are.
ALPHA = 0.0025
# Of either end of the shown interval, over all looks: 95 % in all.
INTERVAL_ALPHA = 0.025
# A change counts from four fifths of the threshold on: a slowdown as large as the threshold is then found more often
# than not, though an estimate falls below the truth half of the time.
COUNTS_FROM = 0.8
# `ok` is a finding too: the whole interval has to lie below one and a half thresholds.
OK_BELOW = 1.5
_TRIMMED = 8  # one block in eight is left out at either end: one burst of somebody else's decides nothing
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
    """Logarithm of an arm's time over that of others in one block: the median over the rounds.

    Slices of one round are neighbours in time, so what slows the machine for longer than a round cancels; the median
    leaves out what hits single slices. Two copies of base are steadier than one.
    """
    arms = block.seconds[benchmark]
    # A suite may bring a timer that stands still for a whole slice: infinite here, and refused by whoever judges it.
    with np.errstate(divide="ignore", invalid="ignore"):
        rounds = np.log(arms[arm]) - np.mean([np.log(arms[other]) for other in against], axis=0)
        return float(np.median(rounds))


def log_ratios(
    blocks: Sequence[Block], benchmark: str, arm: Arm = Arm.HEAD, against: Sequence[Arm] = (Arm.BASE, Arm.NULL)
) -> NDArray[np.float64]:
    """`log_ratio` of every block that measured all these arms."""
    needed = {arm, *against}
    return np.array(
        [
            log_ratio(block, benchmark, arm, against)
            for block in blocks
            if needed <= block.seconds.get(benchmark, {}).keys()
        ]
    )


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
    reached = [number for number in LOOKS if number <= len(values)]
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
    certain = _quantile(ALPHA, look, freedom) * error
    likely = _quantile(INTERVAL_ALPHA, look, freedom) * error
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
        detectable=math.expm1(_detectable(counts_from, _quantile(ALPHA, look, freedom), error, freedom)),
    )


def _quantile(alpha: float, look: int, freedom: int) -> float:
    """Student's t beyond which lies this look's part of alpha."""
    return stdtrit(freedom, 1 - alpha / 2**look)


def _detectable(counts_from: float, certain: float, error: float, freedom: int) -> float:
    """Logarithm of the slowdown that is found nine times of ten: by Student's t, and by size, in mean and median."""
    # An error that was estimated from few blocks is below the true one more often than above: this is its median.
    error *= math.sqrt(freedom / (2 * gammaincinv(freedom / 2, 0.5)))
    by_certainty = nctdtrinc(freedom, 1 - _POWER, certain) * error
    by_size = counts_from + _MEDIAN_ERROR * ndtri(_POWER) * error
    return max(by_certainty, by_size)


def trimmed_mean(values: NDArray[np.float64]) -> tuple[float, float, int]:
    """Trimmed mean, its standard error and degrees of freedom, after Tukey and McLaughlin (1963) and Yuen (1974).

    A mean without the smallest and largest eighth; the error is that of the winsorised values.
    """
    number = len(values)
    cut = number // _TRIMMED
    ordered = np.sort(values)
    kept = ordered[cut : number - cut]
    winsorised = np.clip(ordered, kept[0], kept[-1])
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    return float(kept.mean()), math.sqrt(squares / (len(kept) * (len(kept) - 1))), len(kept) - 1


def median_seconds(blocks: Sequence[Block], benchmark: str, arm: Arm) -> Second:
    """Median over blocks of the medians of an arm's slices, seconds per call; NaN without any."""
    found = [
        float(np.median(block.seconds[benchmark][arm])) for block in blocks if arm in block.seconds.get(benchmark, {})
    ]
    return float(np.median(found)) if found else math.nan
