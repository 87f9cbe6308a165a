"""Quantiles of the distributions that verdicts rest on, named as in `scipy.special`, which weighs 113 MB.

mpmath has the distributions; here they are inverted. Each answer is kept: a gate asks for a few dozen, again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import mpmath
import numpy as np
from numpy.typing import NDArray

_NORMAL = NormalDist()
_NODES = 200  # of Gauss and Legendre's rule


def ndtri(probability: float) -> float:
    """The point below which lies this much of the normal distribution."""
    return _NORMAL.inv_cdf(probability)


@cache
def stdtrit(freedom: float, probability: float) -> float:
    """The point below which lies this much of Student's t.

    >>> round(stdtrit(10, 0.975), 3)  # as in every table
    2.228
    """
    # Symmetric, and a small tail is known to more digits than one minus it.
    tail = min(probability, 1 - probability)

    def excess(t: float) -> float:
        both = mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + t * t), regularized=True)
        return tail - float(both) / 2

    return math.copysign(_crossing(excess), probability - 0.5)


@cache
def gammaincinv(shape: float, probability: float) -> float:
    """The point below which lies this much of the gamma distribution with unit scale.

    >>> round(gammaincinv(1, 0.5), 6)  # of an exponential distribution: the logarithm of two
    0.693147
    """
    return _crossing(lambda x: float(mpmath.gammainc(shape, 0, x, regularized=True)) - probability)


@cache
def nctdtrinc(freedom: float, probability: float, t: float) -> float:
    """The noncentrality, above zero, with which this much of the noncentral t lies below the point `t`.

    >>> round(nctdtrinc(10, 0.5, 2.0), 3)  # as scipy.special has it
    1.948
    """
    # The t is a normal variable over the ratio of the estimated to the true deviation, which has a chi distribution.
    ratios, weights = _chi_over_root(freedom)

    def excess(shift: float) -> float:
        below = [math.erfc((shift - t * ratio) / math.sqrt(2)) / 2 for ratio in ratios]
        return probability - float(weights @ np.array(below))

    return _crossing(excess)


@cache
def _chi_over_root(freedom: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of a chi variable over the root of its degrees of freedom, and their probabilities."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    far = 12 / math.sqrt(2 * freedom)  # in deviations of the ratio, twelve
    low, high = max(0.0, 1 - far), 1 + far
    ratios = (low + high) / 2 + (high - low) / 2 * nodes
    constant = math.log(2) + freedom / 2 * math.log(freedom / 2) - math.lgamma(freedom / 2)
    density = np.exp(constant + (freedom - 1) * np.log(ratios) - freedom * ratios**2 / 2)
    return ratios, (high - low) / 2 * weights * density


def _crossing(rising: Callable[[float], float]) -> float:
    """Where a function that rises crosses zero above zero; halving, to the last digit."""
    low, high = 0.0, 1.0
    while rising(high) < 0:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high
