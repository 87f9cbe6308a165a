"""A model to serve without training one, and what its prices must be, worked out by numpy in float64.

Shapes: N rows, F features, H hidden units.
"""

from __future__ import annotations

import numpy as np

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES, make_houses
from pricebench.model import MLP, model_digest
from pricebench.normalization import TrainingStats, ZScore

ROUNDOFF = 2.0**-24  # of float32


def untrained_artifacts(seed: int = 3) -> Artifacts:
    """The initial weights with the statistics of a thousand generated houses."""
    houses, model = make_houses(1_000), MLP(seed=seed).eval()
    stats = TrainingStats(
        feature_names=FEATURES,
        features=ZScore.fit(houses.features_NF, FEATURES),
        price=ZScore.fit(houses.price_N[:, None], ("price",)),
        num_rows=houses.num_rows,
        data_digest=houses.digest(),
        model_digest=model_digest(model),
    )
    return Artifacts(model=model, stats=stats)


def exact_dollars(artifacts, x_NF):
    """Prices in float64, and how far each may be from them in float32: `(N,)` dollars both.

    The tolerance is the usual forward error bound: a sum of k products, in any order, is off by sqrt(k) * roundoff of
    the sum of their magnitudes (rounding goes up as often as down; Higham and Mary 2019, at worst it is k), and every
    layer hands on the error of the one before.
    """
    stats = artifacts.stats
    exact_NH = (x_NF - stats.features.mean.numpy()) / stats.features.std.numpy()
    error_NH = ROUNDOFF * np.abs(exact_NH)
    layers = (artifacts.model.hidden1, artifacts.model.hidden2, artifacts.model.output)
    for layer in layers:
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        magnitude_NH = (np.abs(exact_NH) + error_NH) @ np.abs(weight).T + np.abs(bias)
        num_terms = weight.shape[1] + 1
        error_NH = error_NH @ np.abs(weight).T + num_terms**0.5 * ROUNDOFF * magnitude_NH
        exact_NH = exact_NH @ weight.T + bias
        if layer is not layers[-1]:
            exact_NH = np.maximum(exact_NH, 0)  # moves no two numbers further apart
    mean, std = stats.price.mean.item(), stats.price.std.item()
    dollars_N = exact_NH[:, 0] * std + mean
    return dollars_N, error_NH[:, 0] * std + ROUNDOFF * np.abs(dollars_N)
