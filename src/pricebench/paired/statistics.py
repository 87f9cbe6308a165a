"""From blocks to numbers: an arm's time over that of others, robustly averaged, looked at a few times at a known error.

No clock: the same blocks give the same numbers. The reasons: docs/how-we-judge.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pricebench.paired.records import Block
from pricebench.quantiles import stdtrit
from pricebench.units import Second

# Blocks after which something may be decided. Fixed before anything is measured: looking after every block and stopping
# when it pleases would be paid for by no one.
LOOKS = (8, 12, 16, 24, 32, 48, 64)
_TRIMMED = 8  # one block in eight is left out at either end: one burst of somebody else's decides nothing


def log_ratio(block: Block, case: str, arm: str, against: Sequence[str]) -> float:
    """Logarithm of an arm's time over that of others in one block: the median over the rounds.

    Slices of one round are neighbours in time, so what slows the machine for longer than a round cancels; the median
    leaves out what hits single slices. Two copies of the same are steadier than one.
    """
    arms = block.seconds[case]
    # A suite may bring a timer that stands still for a whole slice: infinite here, and refused by whoever judges it.
    with np.errstate(divide="ignore", invalid="ignore"):
        rounds = np.log(arms[arm]) - np.mean([np.log(arms[other]) for other in against], axis=0)
        return float(np.median(rounds))


def log_ratios(blocks: Sequence[Block], case: str, arm: str, against: Sequence[str]) -> NDArray[np.float64]:
    """`log_ratio` of every block that measured all these arms."""
    needed = {arm, *against}
    return np.array(
        [log_ratio(block, case, arm, against) for block in blocks if needed <= block.seconds.get(case, {}).keys()]
    )


def looks_reached(number: int) -> list[int]:
    """The looks that so many blocks have reached.

    >>> looks_reached(13)
    [8, 12]
    """
    return [look for look in LOOKS if look <= number]


def quantile(alpha: float, look: int, freedom: int) -> float:
    """Student's t beyond which lies this look's part of an error.

    Half of it is spent at the first look, half of the rest at the second, and so on, so the sum is never exceeded
    however many looks there are.

    Args:
        alpha: The error of all looks together, at one end.
        look: From 1.
        freedom: Degrees of freedom.
    """
    return stdtrit(freedom, 1 - alpha / 2**look)


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


def median_seconds(blocks: Sequence[Block], case: str, arm: str) -> Second:
    """Median over blocks of the medians of an arm's slices, seconds per call; NaN without any."""
    found = [float(np.median(block.seconds[case][arm])) for block in blocks if arm in block.seconds.get(case, {})]
    return float(np.median(found)) if found else math.nan
