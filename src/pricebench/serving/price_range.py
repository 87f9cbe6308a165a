"""A price with its range: how far held-out houses were from their predictions, added to this one's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pricebench.errors import ArtifactError
from pricebench.units import Dollar

_TRAIN = "Run: uv run pricebench train."
# Fewer do not show what one in twenty is like.
_FEWEST_HOUSES = 40

NO_RANGE_UNFAMILIAR = "No range: the held-out houses that it would come from were all more familiar than this one."
HALF = (0.25, 0.75)
MOST = (0.05, 0.95)
"""Levels: between them lie 9 of 10 houses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """True minus predicted price on held-out rows.

    Attributes:
        quantiles: Dollars by level, such as 0.05.
        num_houses: Held-out rows behind them.
    """

    quantiles: Mapping[float, Dollar]
    num_houses: int

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any], model_digest: str) -> Residuals:
        """Read them from `metrics.json`.

        Raises:
            ArtifactError: It has none, or too few rows, or belongs to another model.
        """
        if "residual_quantiles" not in metrics:
            raise ArtifactError(f"No range: metrics.json is of a version that kept no residuals. {_TRAIN}")
        if metrics.get("model_digest") != model_digest:
            raise ArtifactError(f"No range: metrics.json belongs to another model. {_TRAIN}")
        try:
            quantiles = {float(level): float(value) for level, value in metrics["residual_quantiles"].items()}
            num_houses = int(metrics["num_test"])
            is_whole = {*HALF, *MOST} <= set(quantiles) and all(map(math.isfinite, quantiles.values()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged() from error
        if not is_whole:
            raise _damaged()
        if num_houses < _FEWEST_HOUSES:
            raise ArtifactError(
                f"No range: it needs at least {_FEWEST_HOUSES} held-out houses, found {num_houses}. Train on more rows."
            )
        return cls(quantiles=quantiles, num_houses=num_houses)

    def around(self, dollars: Dollar, levels: tuple[float, float]) -> tuple[Dollar, Dollar]:
        """The range between two levels of the residuals, added to a prediction; no house costs less than nothing."""
        low, high = levels
        return max(0.0, dollars + self.quantiles[low]), dollars + self.quantiles[high]


def _damaged() -> ArtifactError:
    return ArtifactError(f"No range: the residuals in metrics.json are damaged. {_TRAIN}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a house costs.

    Attributes:
        dollars: The prediction.
        half: Between these lies the middle 50 % of held-out houses with this prediction's residuals; None if unknown.
        most: The same for 90 %.
        range_note: What the ranges rest on, or why there are none.
        warnings: Why the price should be doubted.
    """

    dollars: Dollar
    half: tuple[Dollar, Dollar] | None
    most: tuple[Dollar, Dollar] | None
    range_note: str
    warnings: tuple[str, ...]


def residuals_or_reason(metrics: Mapping[str, Any] | ArtifactError, model_digest: str) -> tuple[Residuals | None, str]:
    """The residuals that belong to a model; without them why there are none."""
    try:
        if isinstance(metrics, ArtifactError):
            raise metrics
        return Residuals.from_metrics(metrics, model_digest), ""
    except ArtifactError as error:
        return None, str(error)


def with_range(dollars: Dollar, warnings: Sequence[str], residuals: Residuals | None, no_range: str = "") -> Price:
    """A prediction with its ranges; a house that training does not know has none.

    Args:
        dollars: The prediction.
        warnings: Why it should be doubted.
        residuals: Of the held-out houses, or None.
        no_range: Why there are none.
    """
    if residuals is None:
        return Price(dollars=dollars, half=None, most=None, range_note=no_range, warnings=tuple(warnings))
    if warnings:
        note = NO_RANGE_UNFAMILIAR
        return Price(dollars=dollars, half=None, most=None, range_note=note, warnings=tuple(warnings))
    return Price(
        dollars=dollars,
        half=residuals.around(dollars, HALF),
        most=residuals.around(dollars, MOST),
        range_note=f"From the residuals of {residuals.num_houses:,} held-out houses.",
        warnings=(),
    )
