"""What training leaves in a folder: `model.pt`, `training_stats.pt`, `metrics.json`; read only as a pair that fits.

Beside them `calibration.pt`, some rows of training for transformations that must know which numbers a layer meets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pricebench.errors import ArtifactError
from pricebench.files import atomic_write, read_json
from pricebench.model import MLP, load_model, model_digest, save_model
from pricebench.normalization import TrainingStats
from pricebench.tensorfile import load_record, save_record

MODEL_FILE = "model.pt"
STATS_FILE = "training_stats.pt"
METRICS_FILE = "metrics.json"
CALIBRATION_FILE = "calibration.pt"
CHECKPOINT_FILE = "checkpoint.pt"

_CALIBRATION = "pricebench.calibration"
_CALIBRATION_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """A trained model with the statistics it was trained on.

    Attributes:
        model: Weights in z-score units, evaluation mode.
        stats: Feature and price statistics that belong to it.
        calibration: Raw features of some rows of training, `(N, F)` float64; None in folders that have none.
    """

    model: MLP
    stats: TrainingStats
    calibration: Tensor | None = None

    @classmethod
    def load(cls, folder: Path) -> Artifacts:
        """Read the pair.

        Raises:
            ArtifactError: One of the two cannot be read, or they do not belong together.
        """
        model = load_model(folder / MODEL_FILE)
        stats = TrainingStats.load(folder / STATS_FILE)
        if stats.model_digest != model_digest(model):
            raise ArtifactError(
                f"{folder}: expected {MODEL_FILE} and {STATS_FILE} of one training, found two that do not belong "
                "together. Train again: pricebench train."
            )
        if len(stats.feature_names) != model.config.num_features:
            raise ArtifactError(
                f"{folder}: expected statistics for {model.config.num_features} features, found "
                f"{len(stats.feature_names)}. Train again: pricebench train."
            )
        return cls(model=model, stats=stats, calibration=_load_calibration(folder, stats))

    def save(self, folder: Path) -> None:
        """Write the pair; a crash between the two files leaves a pair that `load` refuses, never a wrong price."""
        save_model(self.model, folder / MODEL_FILE)
        self.stats.save(folder / STATS_FILE)
        if self.calibration is not None:
            content = {"features_NF": self.calibration, "model_digest": self.stats.model_digest}
            save_record(folder / CALIBRATION_FILE, _CALIBRATION, _CALIBRATION_VERSION, content)


def _load_calibration(folder: Path, stats: TrainingStats) -> Tensor | None:
    """The rows, if they are of this model: older folders have none, and a crash may leave those of another."""
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        return None
    record = load_record(path, _CALIBRATION, _CALIBRATION_VERSION)
    if record.get("model_digest") != stats.model_digest:
        return None
    features_NF = record.get("features_NF")
    if (
        not isinstance(features_NF, Tensor)
        or features_NF.shape[1:] != (len(stats.feature_names),)
        or features_NF.dtype != torch.float64
        or not features_NF.isfinite().all()
    ):
        raise ArtifactError(
            f"{path}: expected finite rows of {len(stats.feature_names)} features, found something else. Train again: "
            "pricebench train."
        )
    return features_NF


def save_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write `metrics.json`, atomically."""
    with atomic_write(folder / METRICS_FILE) as file:
        file.write((json.dumps(metrics, indent=2) + "\n").encode())


def load_metrics(folder: Path) -> dict[str, Any]:
    """Read `metrics.json`; older ones have fewer entries.

    Raises:
        ArtifactError: The file is missing, or no JSON object.
    """
    path = folder / METRICS_FILE
    try:
        metrics = read_json(path)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path}: expected the metrics of a training, found none. Run: pricebench train."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArtifactError(
            f"{path}: expected JSON, found a file that cannot be read ({reason}). Train again: pricebench train."
        ) from error
    if not isinstance(metrics, dict):
        raise ArtifactError(f"{path}: expected a JSON object, found another value. Train again: pricebench train.")
    return metrics
