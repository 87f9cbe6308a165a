"""pricebench: which PyTorch execution mode should I ship? A house price model and the laboratory that measures it.

The names below are imported when they are first used: importing pricebench costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pricebench.artifacts import Artifacts
    from pricebench.data import Dataset, load_dataset, make_houses
    from pricebench.errors import PricebenchError
    from pricebench.inputs import Inputs
    from pricebench.model import MLP
    from pricebench.modes import ALL_MODES, MODES, ExecutionMode, mode_named
    from pricebench.normalization import TrainingStats, ZScore
    from pricebench.serving import Predictor
    from pricebench.training import TrainingConfig, train
    from pricebench.workload import Workload, from_example, house_prices, load_workload

__all__ = [
    "ALL_MODES",
    "MLP",
    "MODES",
    "Artifacts",
    "Dataset",
    "ExecutionMode",
    "Inputs",
    "Predictor",
    "PricebenchError",
    "TrainingConfig",
    "TrainingStats",
    "Workload",
    "ZScore",
    "from_example",
    "house_prices",
    "load_dataset",
    "load_workload",
    "make_houses",
    "mode_named",
    "train",
]

_HOMES = {
    "artifacts": ("Artifacts",),
    "data": ("Dataset", "load_dataset", "make_houses"),
    "errors": ("PricebenchError",),
    "model": ("MLP",),
    "modes": ("ALL_MODES", "MODES", "ExecutionMode", "mode_named"),
    "normalization": ("TrainingStats", "ZScore"),
    "serving": ("Predictor",),
    "training": ("TrainingConfig", "train"),
    "inputs": ("Inputs",),
    "workload": ("Workload", "from_example", "house_prices", "load_workload"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"pricebench.{home}"), name)
    raise AttributeError(f"module 'pricebench' has no attribute '{name}'; public are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
