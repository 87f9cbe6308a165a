"""How good prices are: R², RMSE, MAE, the spread of the residuals, and the linear regression to be measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pricebench.data import Dataset
from pricebench.units import Dollar

# The middle 50 % and the middle 90 %: what a price's range is read from.
RESIDUAL_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors on held-out rows.

    Attributes:
        r2: Coefficient of determination, 1 - residual / total sum of squares; NaN where all prices are equal.
        rmse: Root mean squared error.
        mae: Mean absolute error.
    """

    r2: float
    rmse: Dollar
    mae: Dollar


def score(price_N: NDArray[np.float64], predicted_N: NDArray[np.float64]) -> Score:
    """Compare predicted with true prices, both `(N,)` in dollars."""
    error_N = predicted_N - price_N
    total = float(np.sum((price_N - price_N.mean()) ** 2))
    residual = float(np.sum(error_N**2))
    return Score(
        r2=1.0 - residual / total if total > 0.0 else float("nan"),
        rmse=float(np.sqrt(np.mean(error_N**2))),
        mae=float(np.mean(np.abs(error_N))),
    )


def residual_quantiles(price_N: NDArray[np.float64], predicted_N: NDArray[np.float64]) -> dict[str, Dollar]:
    """Quantiles of true minus predicted price, both `(N,)`; keys are the levels as text, as JSON wants them.

    A price plus the quantiles of two levels is the range that so many of these houses were in.
    """
    found_L = np.quantile(price_N - predicted_N, RESIDUAL_LEVELS)
    return {str(level): float(quantile) for level, quantile in zip(RESIDUAL_LEVELS, found_L, strict=True)}


def linear_regression_score(train: Dataset, test: Dataset) -> Score:
    """Ordinary least squares with an intercept, fitted on `train`, scored on `test`."""
    # Centred and scaled first: incomes and room counts differ by 1e4, and least squares by their square.
    mean, std = train.features_NF.mean(axis=0), train.features_NF.std(axis=0)

    def design(dataset: Dataset) -> NDArray[np.float64]:
        return np.column_stack([np.ones(dataset.num_rows), (dataset.features_NF - mean) / std])

    coefficients, *_ = np.linalg.lstsq(design(train), train.price_N)
    return score(test.price_N, design(test) @ coefficients)
