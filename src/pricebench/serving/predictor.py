"""Raw features in, dollars out: normalise -> model -> denormalise, in any execution mode.

Shapes: N rows, F features in canonical order and units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES
from pricebench.errors import ArtifactError
from pricebench.modes import mode_named
from pricebench.normalization import TrainingStats
from pricebench.serving.pieces import pieces

if TYPE_CHECKING:
    import pandas as pd

FAMILIAR_SD = 4.0


class Pricer(nn.Module):
    """The whole computation as one module: what is exported, and what every mode prepares."""

    # No class-level annotations: TorchScript would read them and knows no module types.

    def __init__(self, artifacts: Artifacts) -> None:
        super().__init__()
        self.features = artifacts.stats.features
        self.model = artifacts.model
        self.price = artifacts.stats.price

    def forward(self, x: Tensor) -> Tensor:
        """Map raw features to float32 dollars, `(N, F)` to `(N, 1)`."""
        return self.price.denormalize(self.model(self.features.normalize(x)))


class Predictor:
    """A trained model that prices houses.

    Any number of rows is run in pieces of the sizes that the mode wants; only a mode that compiles per shape wants any,
    and pads.

    Attributes:
        stats: Statistics of the training data.
    """

    def __init__(self, artifacts: Artifacts, *, mode: str = "eager") -> None:
        if artifacts.stats.feature_names != FEATURES:
            raise ArtifactError(
                f"expected a model of {', '.join(FEATURES)}, found one of {', '.join(artifacts.stats.feature_names)}. "
                "Train again: pricebench train."
            )
        self.stats: TrainingStats = artifacts.stats
        example = torch.zeros(1, len(FEATURES), dtype=torch.float64)
        prepared = mode_named(mode)
        self._sizes = prepared.sizes
        self._forward = prepared.prepare_inference(Pricer(artifacts), example)

    @classmethod
    def load(cls, folder: Path, *, mode: str = "eager") -> Predictor:
        """Read a folder that `pricebench train` wrote.

        Raises:
            ArtifactError: The folder holds no model, or not a whole one.
            ModeError: The mode is unknown or cannot run here.
        """
        return cls(Artifacts.load(folder), mode=mode)

    def predict(self, features: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Price houses, `(N, F)` to `(N,)` dollars; a row with a NaN is priced NaN.

        Args:
            features: An array with the columns of `FEATURES`, or a frame that has them.

        Raises:
            ValueError: Wrong shape, or a column is missing.
        """
        x_NF = _as_array(features)
        price_N = np.empty(len(x_NF))
        # Tensors made inside and outside of a caller's inference mode would each get compiled graphs of their own.
        with torch.inference_mode():
            for start, stop, size in pieces(len(x_NF), self._sizes):
                rows = torch.from_numpy(x_NF[start:stop])
                if size > stop - start:
                    rows = nn.functional.pad(rows, (0, 0, 0, size - (stop - start)))
                price_N[start:stop] = self._forward(rows).numpy()[: stop - start, 0]
        return price_N

    def distance_sd(self, features: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """How far each value is from the training mean, `(N, F)`, in training standard deviations."""
        mean_F, std_F = self.stats.features.mean.numpy(), self.stats.features.std.numpy()
        distance_NF: NDArray[np.float64] = np.abs((_as_array(features) - mean_F) / std_F)
        return distance_NF

    def warnings_for(self, house: NDArray[np.float64]) -> list[str]:
        """A sentence per feature of one house, `(F,)`, that lies beyond what training saw."""
        mean_F, std_F = self.stats.features.mean.numpy(), self.stats.features.std.numpy()
        distance_F = self.distance_sd(house[None, :])[0]
        return [
            f"{name} is {value:g}, {distance:.1f} standard deviations from the training mean of {mean:.6g} "
            f"(familiar: {max(0.0, mean - FAMILIAR_SD * std):.6g} to {mean + FAMILIAR_SD * std:.6g}); "
            "the price is an extrapolation."
            for name, value, distance, mean, std in zip(FEATURES, house, distance_F, mean_F, std_F, strict=True)
            if distance > FAMILIAR_SD
        ]


def _as_array(features: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
    if not isinstance(features, np.ndarray):
        missing = [name for name in FEATURES if name not in features.columns]
        if missing:
            raise ValueError(f"the frame lacks {', '.join(missing)}; expected the columns {', '.join(FEATURES)}.")
        features = features[list(FEATURES)]
        if len(features.select_dtypes(object).columns):  # which may hold pd.NA, and pandas leaves that where it is
            features = features.where(features.notna(), np.nan)
        features = features.to_numpy(dtype=np.float64, na_value=np.nan)
    # Writable too: torch warns about sharing memory that is not, such as a view into a frame.
    array = np.require(features, np.float64, ("C", "W"))
    if array.ndim != 2 or array.shape[1] != len(FEATURES):
        raise ValueError(f"expected houses as (N, {len(FEATURES)}), found shape {array.shape}.")
    # A single row is contiguous with any stride, and a graph of torch.compile is for one stride.
    return array if array.strides[0] == array.shape[1] * array.itemsize else array.copy()
