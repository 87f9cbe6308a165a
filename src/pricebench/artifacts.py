"""What training leaves in a folder: `model.pt`, `training_stats.pt`, `metrics.json`; read only as a pair that fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pricebench.errors import ArtifactError
from pricebench.files import atomic_write, read_json
from pricebench.model import MLP, load_model, model_digest, save_model
from pricebench.normalization import TrainingStats

MODEL_FILE = "model.pt"
STATS_FILE = "training_stats.pt"
METRICS_FILE = "metrics.json"
CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """A trained model with the statistics it was trained on.

    Attributes:
        model: Weights in z-score units, evaluation mode.
        stats: Feature and price statistics that belong to it.
    """

    model: MLP
    stats: TrainingStats

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
        return cls(model=model, stats=stats)

    def save(self, folder: Path) -> None:
        """Write the pair; a crash between the two files leaves a pair that `load` refuses, never a wrong price."""
        save_model(self.model, folder / MODEL_FILE)
        self.stats.save(folder / STATS_FILE)


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
