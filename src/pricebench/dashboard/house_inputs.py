"""The five features of a house as something to type in, with what training knows of each; and values no house has."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pricebench.data import QUANTITIES, Quantity
from pricebench.normalization import TrainingStats
from pricebench.server.example import HOUSE
from pricebench.serving import FAMILIAR_SD


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One feature as something to type in.

    Attributes:
        quantity: Name, unit and limit.
        typical: What it begins with: the training mean, rounded to a step, where it is known.
        step: About a tenth of the training standard deviation, where it is known.
        known: Smallest and largest familiar value; None where the training is not known.
    """

    quantity: Quantity
    typical: float
    step: float
    known: tuple[float, float] | None

    @property
    def label(self) -> str:
        """Name and unit, for people, without a word twice: rooms (per house)."""
        name = self.quantity.name.replace("_", " ")
        return f"{name.capitalize()} ({self.quantity.unit.removeprefix(name).strip()})"

    @property
    def decimals(self) -> int:
        """That a value of this feature is shown with."""
        return 0 if self.step >= 1.0 else 2

    @property
    def familiar(self) -> str:
        """The range that training knows, or nothing."""
        return " to ".join(f"{end:,.{self.decimals}f}" for end in self.known or ())


def inputs_for(stats: TrainingStats) -> tuple[Input, ...]:
    """The features with steps and ranges that suit the training data."""
    return tuple(
        _input(quantity, float(mean), float(std))
        for quantity, mean, std in zip(QUANTITIES, stats.features.mean, stats.features.std, strict=False)
    )


def _input(quantity: Quantity, mean: float, std: float) -> Input:
    step = 10.0 ** (round(math.log10(std)) - 1)
    return Input(
        quantity=quantity,
        typical=round(round(mean / step) * step, 10),
        step=step,
        known=(max(quantity.minimum, mean - FAMILIAR_SD * std), mean + FAMILIAR_SD * std),
    )


EXAMPLE_INPUTS = tuple(
    Input(quantity=quantity, typical=float(value), step=10.0 ** (math.floor(math.log10(value)) - 1), known=None)
    for quantity, value in zip(QUANTITIES, HOUSE.values(), strict=False)
)
"""Where a server has the model, and its training is not known here."""


def wrong_values(house_F: NDArray[np.float64]) -> list[str]:
    """A sentence per feature, `(F,)`, that no house can have."""
    return [
        f"{quantity.name} is {value:g}, expected {quantity.expectation}."
        for quantity, value in zip(QUANTITIES, house_F, strict=False)
        if not np.isfinite(value) or quantity.first_wrong(np.array([value])) is not None
    ]
