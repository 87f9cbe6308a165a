from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from pricebench.artifacts import save_metrics
from pricebench.dashboard.settings import Settings
from tests.server import JSON, Served, save_artifacts, served
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


@dataclass
class PricedWithToken:
    """A `pricebench serve` that wants a token, and what a dashboard needs to ask it."""

    settings: Settings
    server: Served
    token: str

    def ask(self, house):
        headers = JSON | {"authorization": f"Bearer {self.token}"}
        return self.server.ask("POST", "/v1/price", json.dumps(house), headers).body


@pytest.fixture(scope="session")
def priced_with_token(tmp_path_factory):
    home, token = tmp_path_factory.mktemp("served"), "a-token-of-some-length"
    save_artifacts(home / "artifacts")
    (home / "token").write_text(f"{token}\n")
    with served(home / "artifacts", "--token-file", home / "token") as server:
        host, port = server.address
        settings = Settings(server=f"http://{host}:{port}", server_token_file=home / "token")
        yield PricedWithToken(settings, server, token)
