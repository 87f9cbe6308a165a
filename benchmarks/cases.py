"""What the cases that are about house prices share: the check of an output in z-scores, prices in float64, pricing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from pricebench.agreement import default_tolerance, in_float64
from pricebench.artifacts import Artifacts
from pricebench.data import Dataset
from pricebench.suite import WARM_UP_CALLS
from pricebench.workload import Workload

# z-score units. A float32 sum of 256 products is off by about 256 ** 0.5 * 2 ** -24; this leaves a factor of ten.
TOLERANCE = 1e-5

PREDICT_SHAPES = ("single", "2", "8", "64", "512", "full", "2049", "5000")


def checked_error(found: Tensor, expected: Tensor, *, tolerance: float = TOLERANCE) -> float:
    """The largest absolute difference; a wrong or non-finite output fails the benchmark."""
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    error = (found.detach().double() - expected.detach().double()).abs().max().item()
    # Not `error > tolerance`: NaN must fail too.
    assert error <= tolerance, f"differs from eager in float64 by {error:.3g}, tolerated is {tolerance:g}"
    return error


def prices_in_float64(artifacts: Artifacts, features_NF: NDArray[np.float64]) -> Tensor:
    """Dollars of raw features, `(N, F)` to `(N,)`, every step in float64."""
    features, price = artifacts.stats.features, artifacts.stats.price
    with torch.inference_mode():
        z_N1 = in_float64(artifacts.model).eval()((torch.from_numpy(features_NF) - features.mean) / features.std)
        return (z_N1 * price.std + price.mean)[:, 0]


def dollar_tolerance(artifacts: Artifacts) -> float:
    """`TOLERANCE` of a z-score in dollars; the rounding of a price to float32, 6 cents in a million, is far below."""
    return TOLERANCE * float(artifacts.stats.price.std)


def _tolerance_of(precision: torch.dtype | None, artifacts: Artifacts, price_N: Tensor) -> float:
    """In dollars: of float32, or what less explains, relative to the largest z-score."""
    if precision is None:
        return dollar_tolerance(artifacts)
    largest = float((price_N - artifacts.stats.price.mean).abs().max())
    return default_tolerance(artifacts.model, dtype=precision) * largest


def houses(shape: str, workload: Workload, training_rows: Dataset) -> NDArray[np.float64]:
    """Raw features of training rows, `(N, F)`: as many as the shape has, or says; repeated where there are fewer."""
    rows = int(shape) if shape.isdigit() else min(workload.rows(shape), training_rows.num_rows)
    return np.resize(training_rows.features_NF, (rows, training_rows.features_NF.shape[1]))


def time_prices(
    benchmark: BenchmarkFixture,
    price: Callable[[NDArray[np.float64]], NDArray[Any]],
    features_NF: NDArray[np.float64],
    artifacts: Artifacts,
    *,
    precision: torch.dtype | None = None,
) -> None:
    """Time raw features to dollars, `(N, F)` to `(N,)`; checked before, by calls that warm up, and after.

    `precision` is that of matrix products, where it is less than float32.
    """
    expected = prices_in_float64(artifacts, features_NF)
    tolerance = _tolerance_of(precision, artifacts, expected)
    for _ in range(WARM_UP_CALLS):
        checked_error(torch.from_numpy(price(features_NF)), expected, tolerance=tolerance)

    price_N = benchmark(price, features_NF)

    error = checked_error(torch.from_numpy(price_N), expected, tolerance=tolerance)
    benchmark.extra_info["max_abs_error"] = error
