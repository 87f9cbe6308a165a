"""The model: an MLP 5 -> 256 -> ReLU -> 256 -> ReLU -> 1, in z-score units on both sides.

Shapes: N rows, F features, 1 price.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pricebench.errors import ArtifactError
from pricebench.tensorfile import load_record, save_record

_FORMAT = "pricebench.model"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MLPConfig:
    """The architecture.

    Attributes:
        num_features: Input columns.
        hidden: Width of both hidden layers.
    """

    num_features: int = 5
    hidden: int = 256

    def __post_init__(self) -> None:
        if self.num_features < 1 or self.hidden < 1:
            raise ValueError(f"{self} needs at least one feature and one hidden unit.")


class MLP(nn.Module):
    """Two hidden ReLU layers; 67,585 parameters with the default config.

    The weights depend on `seed` alone, and the global random state is left as it was.
    """

    def __init__(self, config: MLPConfig | None = None, *, seed: int = 0) -> None:
        super().__init__()
        config = config or MLPConfig()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden1 = nn.Linear(config.num_features, config.hidden)
            self.hidden2 = nn.Linear(config.hidden, config.hidden)
            self.output = nn.Linear(config.hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map z-scored features to z-scored prices, `(N, F)` to `(N, 1)`."""
        # In place: no second buffer of (N, hidden), 6 % of an eager training step (docs/log.md).
        x = torch.relu_(self.hidden1(x))
        x = torch.relu_(self.hidden2(x))
        price: Tensor = self.output(x)
        return price


def model_digest(model: MLP) -> str:
    """SHA-256 of config, parameter names and bytes: what ties `training_stats.pt` to its `model.pt`."""
    digest = hashlib.sha256(repr(model.config).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_model(model: MLP, path: Path) -> None:
    """Write `model.pt`, atomically: config and state dict, nothing that needs code to load."""
    save_record(path, _FORMAT, _VERSION, {"config": asdict(model.config), "state_dict": model.state_dict()})


def load_model(path: Path) -> MLP:
    """Read `model.pt`, in evaluation mode on the CPU.

    Raises:
        ArtifactError: The file is missing, damaged, of another format or version, or would run code.
    """
    record = load_record(path, _FORMAT, _VERSION)
    try:
        model = MLP(MLPConfig(**record["config"]))
        model.load_state_dict(record["state_dict"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ArtifactError(
            f"{path}: expected the config and weights of an MLP, found others. Train again: pricebench train."
        ) from error
    if not all(torch.isfinite(value).all() for value in model.parameters()):
        raise ArtifactError(f"{path}: expected finite weights, found NaN or infinity. Train again: pricebench train.")
    return model.eval()
