"""What the cases that are about house prices share: the check of an output in z-scores, and prices in float64."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pricebench.agreement import in_float64
from pricebench.artifacts import Artifacts

# z-score units. A float32 sum of 256 products is off by about 256 ** 0.5 * 2 ** -24; this leaves a factor of ten.
TOLERANCE = 1e-5


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
