"""One house's way through the model, step by step, with the statistics used; and what surrounds it.

Shapes: F features, H hidden units.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES, QUANTITIES
from pricebench.errors import ModeError
from pricebench.machine import this_machine
from pricebench.modes import mode_named
from pricebench.serving import Pricer
from pricebench.units import Dollar

_LIBRARIES = ("pricebench", "torch", "numpy", "pandas", "pyarrow", "pytest-benchmark", "streamlit", "altair")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What a house is at each step, in eager mode.

    Attributes:
        features: A row per feature: value, unit, training mean and standard deviation, z-score as the float32 that
            enters the model.
        layers: A row per hidden layer: units, how many are active for this house, the largest activation.
        output: What the model says: the price's z-score, float32.
        price_mean: Training mean of the price.
        price_std: Its standard deviation, ddof 0.
        dollars: `output * price_std + price_mean`.
    """

    features: pd.DataFrame
    layers: pd.DataFrame
    output: float
    price_mean: Dollar
    price_std: Dollar
    dollars: Dollar


def walk(artifacts: Artifacts, house_F: NDArray[np.float64]) -> Walk:
    """Follow one house, `(F,)` raw values."""
    stats, model = artifacts.stats, artifacts.model
    with torch.inference_mode():
        z_1F = stats.features.normalize(torch.from_numpy(house_F[None, :]))
        first_1H = torch.relu(model.hidden1(z_1F))
        second_1H = torch.relu(model.hidden2(first_1H))
        output_11 = model.output(second_1H)
        dollars_11 = stats.price.denormalize(output_11)
    features = pd.DataFrame(
        {
            "feature": FEATURES,
            "value": house_F,
            "unit": [quantity.unit for quantity in QUANTITIES[: len(FEATURES)]],
            "training mean": stats.features.mean.numpy(),
            "training std": stats.features.std.numpy(),
            "z-score": z_1F[0].double().numpy(),
        }
    )
    layers = pd.DataFrame(
        [
            {
                "layer": name,
                "units": active_1H.shape[1],
                "active": int((active_1H > 0).sum()),
                "largest activation": float(active_1H.max()),
            }
            for name, active_1H in (("hidden1", first_1H), ("hidden2", second_1H))
        ]
    )
    return Walk(
        features=features,
        layers=layers,
        output=float(output_11),
        price_mean=float(stats.price.mean),
        price_std=float(stats.price.std),
        dollars=float(dollars_11),
    )


def steps(house: Walk) -> list[str]:
    """The way of the price, a line of arithmetic per step, with the numbers in it."""
    return [
        f"model output  {house.output:+.6f} standard deviations (float32)",
        f"dollars       {house.output:+.6f} x {house.price_std:,.2f} + {house.price_mean:,.2f} = {house.dollars:,.2f}",
    ]


def code_of(artifacts: Artifacts, mode_name: str) -> str:
    """The source that a mode made of the whole way from raw features to dollars.

    Raises:
        ModeError: The mode makes none, or cannot run here.
    """
    mode = mode_named(mode_name)
    code = mode.show(Pricer(artifacts), torch.zeros(1, len(FEATURES), dtype=torch.float64))
    if code is None:
        raise ModeError(f"Mode {mode_name} makes no source to show. Try: torchscript, fx.")
    return code


def environment() -> dict[str, str]:
    """What this process runs on: the fingerprint with its facts, and the libraries' versions."""
    fingerprint = this_machine()
    facts = {name.replace("_", " "): str(value) for name, value in asdict(fingerprint).items()}
    versions = {name: _version(name) for name in _LIBRARIES}
    return {"fingerprint": fingerprint.digest} | facts | {"python": platform.python_version()} | versions


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
