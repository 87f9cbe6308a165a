"""Z-scores of features and price, and `training_stats.pt`, the file that keeps them.

Mean and standard deviation are float64 and population form (ddof 0), so that the training data itself has mean 0 and
standard deviation exactly 1. Arithmetic is float64 inside, float32 outside: a float32 mean would be off by whole
standard deviations where the offset is a million times the spread.

Shapes: N rows, F features.
"""

# No postponed annotations here: TorchScript reads those of ZScore, and cannot read text.

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pricebench.errors import ArtifactError
from pricebench.tensorfile import load_record, save_record

DDOF = 0
_FORMAT = "pricebench.training_stats"
_VERSION = 1


class ZScore(nn.Module):
    """Per-column mean and standard deviation; scriptable, traceable, and saved with whatever module holds it.

    `denormalize(normalize(x))` is `x` within `2**-24 * (|x - mean| + |x|) * (1 + 2**-20) + 2**-150 * (1 + std)`: one
    float32 rounding of the z-score and one of the result (unit roundoff 2**-24), each off by up to 2**-150 where it is
    subnormal; `1 + 2**-20` covers the float64 arithmetic. Both must lie within float32's range, below 3.4e38.
    """

    mean: Tensor  # (F,) float64; a plain Tensor annotation: TorchScript reads it and knows no other
    std: Tensor  # (F,) float64, above 0

    def __init__(self, mean_F: Tensor, std_F: Tensor) -> None:
        super().__init__()
        if mean_F.shape != std_F.shape or mean_F.ndim != 1:
            raise ValueError(
                f"mean {tuple(mean_F.shape)} and std {tuple(std_F.shape)} must be two vectors of one length."
            )
        self.register_buffer("mean", mean_F.detach().to(torch.float64).clone())
        self.register_buffer("std", std_F.detach().to(torch.float64).clone())
        if not (torch.isfinite(self.mean).all() and torch.isfinite(self.std).all() and (self.std > 0).all()):
            raise ValueError("mean and std must be finite, and std above 0.")

    @classmethod
    def fit(cls, values_NF: NDArray[np.float64], names: Sequence[str]) -> Self:
        """Fit on `(N, F)` values, at least two rows.

        Raises:
            ValueError: A single row, a NaN or infinity, a column whose values are all equal, or so far apart or close
                together that float64 cannot square their deviations; the column is named.
        """
        values_NF = np.asarray(values_NF, dtype=np.float64)
        if values_NF.ndim != 2 or values_NF.shape[1] != len(names):
            raise ValueError(
                f"expected rows of {len(names)} columns ({', '.join(names)}), found shape {values_NF.shape}."
            )
        if len(values_NF) < 2:
            raise ValueError(f"expected at least 2 rows to measure a spread, found {len(values_NF)}.")
        for name, column in zip(names, values_NF.T, strict=True):
            if not np.isfinite(column).all():
                raise ValueError(f"column {name} holds NaN or infinity; z-scores need finite values.")
            # Not `std == 0`: the rounded mean of equal values may differ from them.
            if column.min() == column.max():
                raise ValueError(
                    f"column {name} is constant ({column[0]:g}); it has no spread to divide by. Remove it."
                )
        with np.errstate(over="ignore", invalid="ignore"):
            mean_F = values_NF.mean(axis=0)
            # Deviations once more: the second mean removes what rounding left in the first.
            mean_F = mean_F + (values_NF - mean_F).mean(axis=0)
            std_F = values_NF.std(axis=0, mean=mean_F[None, :], ddof=DDOF)
        for name, std in zip(names, std_F, strict=True):
            if not 0.0 < std < np.inf:
                raise ValueError(f"column {name} has a spread that float64 cannot hold ({std:g}). Rescale it.")
        return cls(torch.from_numpy(mean_F), torch.from_numpy(std_F))

    def forward(self, x: Tensor) -> Tensor:
        """The same as `normalize`."""
        return self.normalize(x)

    def normalize(self, x: Tensor) -> Tensor:
        """Map raw units to float32 z-scores, `(N, F)` to `(N, F)`."""
        return ((x.to(torch.float64) - self.mean) / self.std).to(torch.float32)

    @torch.jit.export
    def denormalize(self, z: Tensor) -> Tensor:
        """Map z-scores back to float32 raw units, `(N, F)` to `(N, F)`."""
        return (z.to(torch.float64) * self.std + self.mean).to(torch.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingStats:
    """What `training_stats.pt` holds.

    Attributes:
        feature_names: In the order of the model's inputs.
        features: Z-score of the features, `(F,)`.
        price: Z-score of the price, `(1,)`, USD.
        num_rows: Training rows the statistics were fitted on.
        data_digest: Of the whole data set that was split.
        model_digest: Of the model they belong to.
    """

    feature_names: tuple[str, ...]
    features: ZScore
    price: ZScore
    num_rows: int
    data_digest: str
    model_digest: str

    def save(self, path: Path) -> None:
        """Write `training_stats.pt`, atomically."""
        content = {
            "feature_names": list(self.feature_names),
            "feature_mean": self.features.mean,
            "feature_std": self.features.std,
            "target_mean": self.price.mean,
            "target_std": self.price.std,
            "ddof": DDOF,
            "num_rows": self.num_rows,
            "data_digest": self.data_digest,
            "model_digest": self.model_digest,
        }
        save_record(path, _FORMAT, _VERSION, content)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `training_stats.pt`; nothing in the file is executed.

        Raises:
            ArtifactError: The file is missing, damaged, of another format or version, or would run code.
        """
        record = load_record(path, _FORMAT, _VERSION)
        try:
            stats = cls(
                feature_names=tuple(map(str, record["feature_names"])),
                features=ZScore(record["feature_mean"], record["feature_std"]),
                price=ZScore(record["target_mean"], record["target_std"]),
                num_rows=int(record["num_rows"]),
                data_digest=str(record["data_digest"]),
                model_digest=str(record["model_digest"]),
            )
            is_whole = record["ddof"] == DDOF and len(stats.feature_names) == len(stats.features.mean)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _incomplete(path) from error
        if not is_whole or len(stats.price.mean) != 1:
            raise _incomplete(path)
        return stats


def _incomplete(path: Path) -> ArtifactError:
    return ArtifactError(
        f"{path}: expected finite means and standard deviations of every feature and the price, found a file "
        "that lacks some. Train again: pricebench train."
    )
