from __future__ import annotations

import pytest

from pricebench.artifacts import save_metrics
from tests.serving import untrained_artifacts

# Round numbers, so that a range can be worked out by hand.
RESIDUALS = {"0.05": -100_000.0, "0.25": -40_000.0, "0.5": 1_000.0, "0.75": 50_000.0, "0.95": 120_000.0}


@pytest.fixture
def metrics(artifacts):
    return {"residual_quantiles": RESIDUALS, "num_test": 1_000, "model_digest": artifacts.stats.model_digest}


@pytest.fixture(scope="session")
def artifacts():
    return untrained_artifacts()


@pytest.fixture
def artifacts_folder(tmp_path, artifacts, metrics):
    """What `pricebench train` leaves, without having trained."""
    folder = tmp_path / "artifacts"
    artifacts.save(folder)
    save_metrics(folder, metrics)
    return folder
