"""What many houses are answered, in any format: a price, its range, and warnings, worked out for all of them at once.

Shapes: N rows, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pricebench.serving.batching import Priced
from pricebench.serving.predictor import FAMILIAR_SD
from pricebench.serving.price_range import MOST
from pricebench.serving.readiness import ReadyModel

_CENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranged:
    """Answers, a row each.

    Attributes:
        price_N: Dollars, rounded to cents; of no meaning where a value is missing.
        low_N: Of 9 of 10 such houses; of no meaning where there is no range.
        high_N: The same.
        lacks_price_N: Whether a value of the house is missing.
        lacks_range_N: Whether there is no range.
        warnings: By the number of the row, of the few that have some.
    """

    price_N: NDArray[np.float64]
    low_N: NDArray[np.float64]
    high_N: NDArray[np.float64]
    lacks_price_N: NDArray[np.bool_]
    lacks_range_N: NDArray[np.bool_]
    warnings: dict[int, list[str]]


def ranged(rows_NF: NDArray[np.float64], priced: Priced[ReadyModel]) -> Ranged:
    """Put ranges and warnings beside prices."""
    model, price_N = priced.model, priced.price_N
    lacks_price_N: NDArray[np.bool_] = np.any(np.isnan(rows_NF), axis=1)
    with np.errstate(invalid="ignore"):
        is_strange_N: NDArray[np.bool_] = np.any(model.predictor.distance_sd(rows_NF) > FAMILIAR_SD, axis=1)
    strange = np.flatnonzero(is_strange_N).tolist()
    if model.residuals is None:
        low_N = high_N = np.zeros(len(rows_NF))
        lacks_range_N = np.ones_like(lacks_price_N)
    else:
        below, above = (model.residuals.quantiles[level] for level in MOST)
        low_N, high_N = np.maximum(0.0, price_N + below), price_N + above
        lacks_range_N = lacks_price_N | is_strange_N
    return Ranged(
        price_N=np.round(price_N, _CENTS),
        low_N=np.round(low_N, _CENTS),
        high_N=np.round(high_N, _CENTS),
        lacks_price_N=lacks_price_N,
        lacks_range_N=lacks_range_N,
        warnings={row: model.predictor.warnings_for(rows_NF[row]) for row in strange},
    )
