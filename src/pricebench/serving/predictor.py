"""Raw features in, dollars out: normalise -> model -> denormalise, in any execution mode.

Shapes: N rows, F features in canonical order and units.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES
from pricebench.devices import device_named
from pricebench.errors import ArtifactError, ModeError
from pricebench.modes import ExecutionMode, Forward, mode_named
from pricebench.modes.base import for_shape_of
from pricebench.normalization import TrainingStats
from pricebench.serving.exported import load_exported
from pricebench.serving.freed_memory import keep_freed_memory
from pricebench.serving.pieces import MOST_ROWS, pieces
from pricebench.transforms import surrounded, transformed

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
        mode: What runs.
        sizes: Of the pieces; empty where any size runs as it is.
        transformations: What was done to the graph, a sentence each.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        *,
        mode: str | None = None,
        exported: Path | None = None,
        sizes: tuple[int, ...] | None = None,
        device: str = "cpu",
        transforms: Sequence[str] = (),
    ) -> None:
        """Prepare a mode, eager if none is named, or load the file that `export` wrote of this model.

        Args:
            artifacts: The model with its statistics.
            mode: Its name, with transformations behind a plus each.
            exported: The file. It is code: see `load_exported`.
            sizes: Of the pieces, instead of those that the mode or the file wants.
            device: Where the model runs, "cpu" or "cuda"; houses and prices are the caller's either way.
            transforms: Changes of the graph before the mode prepares it, by name.

        Raises:
            ArtifactError: The file belongs to another model or machine, or to another mode than is named.
            ModeError: The mode or a transformation is unknown or cannot run here.
            DeviceError: There is no such device.
        """
        if artifacts.stats.feature_names != FEATURES:
            raise ArtifactError(
                f"expected a model of {', '.join(FEATURES)}, found one of {', '.join(artifacts.stats.feature_names)}. "
                "Train again: pricebench train."
            )
        keep_freed_memory()
        self.stats: TrainingStats = artifacts.stats
        self.mode: ExecutionMode
        self.sizes: tuple[int, ...]
        self.transformations: list[str] = []
        self._calls: dict[int, Forward] = {}
        device_named(device)
        if exported is not None:
            if device != "cpu":
                raise ModeError(f"--device {device}: a file of export runs on the CPU. Leave out one of the two.")
            if transforms:
                raise ModeError("a file of export is as it is: it takes no transformations. Leave out one of the two.")
            self.mode, self.sizes, self._forward = load_exported(exported, artifacts, mode=mode)
        else:
            name, *named = (mode or "eager").split("+")
            transforms = [*named, *transforms]
            self.mode = mode_named(name)
            self.sizes = self.mode.sizes
            example = torch.zeros(1, len(FEATURES), dtype=torch.float64, device=device)
            pricer: nn.Module = copy.deepcopy(Pricer(artifacts)).to(device)
            if transforms:
                pricer, self.transformations = transformed(
                    pricer, example, transforms, calibration=artifacts.calibration
                )
            self._forward = self.mode.prepare_inference(pricer, example)
            if isinstance(pricer, GraphModule):
                self._forward = surrounded(pricer, self._forward)
            if device != "cpu":
                self._forward = _by_way_of(device, self._forward)
        if sizes is not None:
            self.sizes = sizes
        self._records_gradients = self.mode.records_gradients
        self._whole = self.sizes or range(1, MOST_ROWS + 1)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        mode: str | None = None,
        exported: Path | None = None,
        device: str = "cpu",
        transforms: Sequence[str] = (),
    ) -> Predictor:
        """Read a folder that `pricebench train` wrote.

        Raises:
            ArtifactError: The folder holds no model, or not a whole one; or as above.
            ModeError: The mode is unknown or cannot run here.
        """
        return cls(Artifacts.load(folder), mode=mode, exported=exported, device=device, transforms=transforms)

    def predict(self, features: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Price houses, `(N, F)` to `(N,)` dollars; a row with a NaN is priced NaN.

        Args:
            features: An array with the columns of `FEATURES`, or a frame that has them.

        Raises:
            ValueError: Wrong shape, or a column is missing.
        """
        x_NF = _as_array(features)
        if not self._records_gradients:
            return self._price(x_NF)
        # Tensors made inside and outside of a caller's inference mode would each get compiled graphs of their own.
        with torch.inference_mode():
            return self._price(x_NF)

    def _price(self, x_NF: NDArray[np.float64]) -> NDArray[np.float64]:
        num_rows = len(x_NF)
        # What is one call needs no pieces: for a few houses they would take as long as the model.
        if num_rows in self._whole:
            price_N1 = self._call(num_rows, torch.from_numpy(x_NF))
            # Half a microsecond less than by way of an array, of six.
            return np.array((price_N1.item(),)) if num_rows == 1 else price_N1.numpy()[:, 0].astype(np.float64)
        price_N = np.empty(num_rows)
        for start, stop, size in pieces(num_rows, self.sizes):
            rows = x_NF[start:stop]
            if size > len(rows):
                rows = np.zeros((size, len(FEATURES)))
                rows[: stop - start] = x_NF[start:stop]
            price_N[start:stop] = self._call(size, torch.from_numpy(rows)).numpy()[: stop - start, 0]
        return price_N

    def _call(self, num_rows: int, x_NF: Tensor) -> Tensor:
        call = self._calls.get(num_rows)
        if call is None:
            # Every call hereafter has such a tensor: contiguous, float64, so many rows.
            call = for_shape_of(x_NF, self._forward)
            self._calls[num_rows] = call
        price_N1: Tensor = call(x_NF)
        return price_N1

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


def _by_way_of(device: str, forward: Forward) -> Forward:
    """The same callable for tensors of the CPU."""

    def call(x: Tensor) -> Tensor:
        answer: Tensor = forward(x.to(device)).cpu()
        return answer

    return call


def _is_plain(features: object) -> TypeGuard[NDArray[np.float64]]:
    """Whether an array can be handed on as it is: most can, and it is told in a third of a microsecond."""
    return (
        type(features) is np.ndarray
        and features.dtype == np.float64
        and features.ndim == 2
        and features.shape[1] == len(FEATURES)
        and features.flags.carray
        and features.strides[0] == len(FEATURES) * features.itemsize
    )


def _as_array(features: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
    if _is_plain(features):
        return features
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
