"""A model is ready when every size of batch was run, and its prices are those of float64.

Shapes: N rows, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pricebench.agreement import default_tolerance, in_float64
from pricebench.artifacts import Artifacts, load_metrics
from pricebench.data import FEATURES, QUANTITIES
from pricebench.errors import ArtifactError, ModeError
from pricebench.serving.predictor import FAMILIAR_SD, Predictor
from pricebench.serving.price_range import Residuals, residuals_or_reason

# Of a mode that takes any: what one request, a few of them, and a full piece have.
_ANY_SIZES = (1, 2, 8, 64, 512, 2048)
# TorchScript still specializes graphs at the second call of a shape; at the third nothing is left to do.
_CALLS = 3
# Graphs that one process may compile: each reload brings as many as there are sizes, and torch's own limit of eight
# would silently end in eager.
_MOST_GRAPHS = 1024


class NotReadyError(ModeError):
    """A mode prices wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyModel:
    """A trained model in a mode, as a server holds it.

    Attributes:
        predictor: Prices.
        mode: Its name.
        digest: Of the model.
        residuals: Of held-out houses, for a range; None where there are none.
        no_range: Why there are none.
        low_F: Below lies what training hardly saw, a little of the familiar included.
        high_F: The same above.
        sizes: Of batches that were run.
    """

    predictor: Predictor
    mode: str
    digest: str
    residuals: Residuals | None
    no_range: str
    low_F: tuple[float, ...]
    high_F: tuple[float, ...]
    sizes: tuple[int, ...]

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Price houses, `(N, F)` to `(N,)` dollars."""
        return self.predictor.predict(features)

    def seems_unfamiliar(self, house: Sequence[float]) -> bool:
        """Whether `predictor.warnings_for` has to be asked about a house, `(F,)`: quick, and never wrongly no."""
        # A loop: `any` and a generator take twice as long.
        for low, value, high in zip(self.low_F, house, self.high_F, strict=True):  # noqa: SIM110
            if not low <= value <= high:
                return True
        return False

    def run_all_sizes(self) -> None:
        """Run each size once, in the thread that will serve: what belongs to a thread is then made too."""
        for size in self.sizes:
            self.predict(example_houses(self.predictor, size))


def load_ready(
    folder: Path, *, mode: str | None = None, exported: str | None = None, device: str = "cpu"
) -> ReadyModel:
    """Read a folder that `pricebench train` wrote, prepare a mode or load an exported file, and check it.

    Args:
        folder: Of the artifacts.
        mode: Eager, or that of the file, if none is named.
        exported: Name of the file in the folder.
        device: Where the model runs.

    Raises:
        ArtifactError: The folder holds no model, or not a whole one; or the file does not belong to it.
        ModeError: The mode is unknown, cannot run here, or prices wrongly.
    """
    artifacts = Artifacts.load(folder)
    predictor = Predictor(artifacts, mode=mode, exported=folder / exported if exported else None, device=device)
    if predictor.mode.trains and predictor.mode.needs_compiler:
        _allow_many_graphs()
    sizes = predictor.sizes or _ANY_SIZES
    check(predictor, artifacts, sizes)
    try:
        metrics = load_metrics(folder)
    except ArtifactError as error:
        residuals, no_range = residuals_or_reason(error, artifacts.stats.model_digest)
    else:
        residuals, no_range = residuals_or_reason(metrics, artifacts.stats.model_digest)
    mean_F, std_F = predictor.stats.features.mean.numpy(), predictor.stats.features.std.numpy()
    # A little inside, so that rounding lets nothing through.
    reach_F = FAMILIAR_SD * std_F * (1 - 1e-9) - 1e-12 * np.abs(mean_F)
    return ReadyModel(
        predictor=predictor,
        mode=predictor.mode.name,
        digest=artifacts.stats.model_digest,
        residuals=residuals,
        no_range=_without_path(no_range, folder),
        low_F=tuple((mean_F - reach_F).tolist()),
        high_F=tuple((mean_F + reach_F).tolist()),
        sizes=sizes,
    )


def check(predictor: Predictor, artifacts: Artifacts, sizes: Sequence[int]) -> None:
    """Run batches of these sizes and compare the prices with those of float64.

    Raises:
        NotReadyError: They differ by more than rounding explains.
    """
    stats = artifacts.stats
    reference = in_float64(artifacts.model)
    mean_F, std_F = stats.features.mean.numpy(), stats.features.std.numpy()
    mean, std = stats.price.mean.item(), stats.price.std.item()
    tolerance = default_tolerance(artifacts.model)
    for size in sizes:
        x_NF = example_houses(predictor, size)
        with torch.inference_mode():
            expected_N = reference(torch.from_numpy((x_NF - mean_F) / std_F)).numpy()[:, 0]
        for _ in range(_CALLS):
            price_N = predictor.predict(x_NF)
        error = float(np.max(np.abs((price_N - mean) / std - expected_N))) / max(float(np.abs(expected_N).max()), 1.0)
        # Not `error > tolerance`: NaN is no price either.
        if not error <= tolerance:
            raise NotReadyError(
                f"expected the prices of float64 for a batch of {size}, found some that are off by {error:.2g} of the "
                f"largest; rounding explains {tolerance:.2g}. Use another mode."
            )


def example_houses(predictor: Predictor, num_rows: int) -> NDArray[np.float64]:
    """Possible houses like those of the training, `(N, F)`, the same each time."""
    mean_F, std_F = predictor.stats.features.mean.numpy(), predictor.stats.features.std.numpy()
    drawn_NF = mean_F + std_F * np.random.default_rng(num_rows).standard_normal((num_rows, len(FEATURES)))
    minimum_F = np.array([quantity.minimum for quantity in QUANTITIES[: len(FEATURES)]])
    return np.maximum(drawn_NF, minimum_F + 0.01 * std_F)


def _allow_many_graphs() -> None:
    import torch._dynamo.config as dynamo  # noqa: PLC0415 - a second, for a mode that needs it anyway

    dynamo.recompile_limit = max(dynamo.recompile_limit, _MOST_GRAPHS)
    dynamo.accumulated_recompile_limit = max(dynamo.accumulated_recompile_limit, _MOST_GRAPHS)


def _without_path(reason: str, folder: Path) -> str:
    """Whoever asks for a price needs not know where the files are."""
    return reason.replace(f"{folder}/", "").replace(str(folder), "the folder")
