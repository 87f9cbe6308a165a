from __future__ import annotations

import pytest

from pricebench.server.limits import Limits
from pricebench.serving.readiness import load_ready
from tests.server import desk_with, save_artifacts, served


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "artifacts"
    save_artifacts(folder)
    return folder


@pytest.fixture(scope="session")
def model(folder):
    return load_ready(folder, mode="eager")


@pytest.fixture
def desk(model):
    return desk_with(model, Limits(rows=100, body_bytes=20_000, waiting_rows=200))


@pytest.fixture(scope="session")
def server(folder):
    """One for all tests that leave it as it was."""
    limits = ("--receive-timeout", "0.5s", "--body", 2_000_000, "--rows", 5_000)
    with served(folder, *limits) as server:
        yield server
        status = server.end()
        server.heard(r"\(the end\)")
        assert status == 0, "\n".join(server.lines)
