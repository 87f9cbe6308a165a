"""Ratios of times that were taken in the same moment, with their intervals and the noise floor of their run.

What is called a difference is one whose interval leaves 1 out and that is larger than what eager against itself shows
in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pricebench.cliff.records import Block, Cell
from pricebench.cliff.schedule import OTHER

CONFIDENCE = 0.95
_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio of times with its interval.

    Attributes:
        value: Above 1: slower.
        low: Of the 95 % bootstrap interval.
        high: Of the same.
        floor: What eager against itself reaches in this run: 1.02 is two percent.
    """

    value: float
    low: float
    high: float
    floor: float

    @property
    def is_found(self) -> bool:
        """Whether this is a difference, and not noise."""
        return not self.low <= 1.0 <= self.high and abs(math.log(self.value)) > math.log(self.floor)

    @classmethod
    def of(cls, samples: Sequence[NDArray[np.float64]], floor: float, weights: Sequence[float] | None = None) -> Self:
        """From log ratios: the sum of their medians, or with weights the mean of the ratios; a percentile bootstrap.

        Args:
            samples: Log ratios by block, for each thing that is summed.
            floor: Of the noise, as a ratio.
            weights: One for each of `samples`.
        """
        generator = np.random.default_rng(_SEED)
        estimates = [np.median(sample) for sample in samples]
        resampled = [
            np.median(sample[generator.integers(len(sample), size=(_RESAMPLES, len(sample)))], axis=1)
            for sample in samples
        ]
        if weights is None:
            value, values = float(np.exp(sum(estimates))), np.exp(np.sum(resampled, axis=0))
        else:
            value = float(sum(w * np.exp(e) for w, e in zip(weights, estimates, strict=True)))
            values = np.sum([w * np.exp(r) for w, r in zip(weights, resampled, strict=True)], axis=0)
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return cls(value=value, low=float(low), high=float(high), floor=floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """95th percentiles of what cannot be an effect, as ratios: 1.02 is two percent.

    Attributes:
        level: Of one block: eager against itself.
        change: From one block to another: that too, and each arm whose batches were served by the same graph in both:
            whatever changed there, it was not the graph.
    """

    level: float
    change: float

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Self:
        """From all cells of a run."""
        levels, changes = [], []
        for cell in cells:
            own = [float(np.median(np.log(block.again) - np.log(block.eager))) for block in cell.blocks]
            levels += [abs(level) for level in own]
            changes += [abs(second - first) for first, second in pairwise(own)]
            changes += [
                abs(float(np.median(log_ratios(second)) - np.median(log_ratios(first))))
                for first, second in pairwise(block for block in cell.blocks if block.step != OTHER)
                if _graph(cell, first) == _graph(cell, second)
            ]
        return cls(level=_as_ratio(levels), change=_as_ratio(changes))


def log_ratios(block: Block) -> NDArray[np.float64]:
    """The arm against eager, by moment."""
    ratios: NDArray[np.float64] = np.log(block.arm) - np.log(block.eager)
    return ratios


def _graph(cell: Cell, block: Block) -> str | None:
    call = cell.call(block.step)
    return call.served if call else None


def _as_ratio(logs: Sequence[float]) -> float:
    return math.exp(np.quantile(logs, CONFIDENCE)) if logs else 1.0
