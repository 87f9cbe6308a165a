"""How many times faster one arm is than another, from the logarithms of their ratios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pricebench.paired.statistics import trimmed_mean
from pricebench.quantiles import stdtrit

_CONFIDENCE = 0.95


def times_faster(log_ratios: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean and its 95 % interval, Student's t of a trimmed mean.

    Args:
        log_ratios: Of the slow arm's time over the fast one's, one a block or round.
    """
    mean, error, freedom = trimmed_mean(np.asarray(log_ratios))
    reach = stdtrit(freedom, 0.5 + _CONFIDENCE / 2) * error
    ratio, low, high = np.exp([mean, mean - reach, mean + reach]).tolist()
    return ratio, low, high
