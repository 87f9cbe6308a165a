from __future__ import annotations

import numpy as np
import pytest

from tests.dashboard.stored import forward, keep, stored_run


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRICEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def desk(tmp_path, artifacts_folder):  # noqa: ARG001 - it fills tmp_path
    """A folder with a model and two runs."""
    samples = np.random.default_rng(0).normal(1e-3, 1e-5, 200).tolist()
    for day in (0, 1):
        run = stored_run(
            [*forward({"eager": 1e-3, "fx": 1.1e-3}, samples=samples), *forward({"eager": 1e-5}, "single")], day=day
        )
        keep(tmp_path / "reports", run, number=day + 1)
    return tmp_path


@pytest.fixture
def two_models(tmp_path):
    """Two runs of the house prices, and between them one of another model under the same names."""
    for day, workload in enumerate(("house_prices", "mymodel", "house_prices")):
        seconds = 9.0 if workload == "mymodel" else 1.0
        run = stored_run(forward({"eager": seconds, "fx": seconds}, workload=workload), day=day)
        keep(tmp_path / "reports", run, number=day + 1)
    return tmp_path
