"""Forward passes in steady state, and the whole way from raw features to dollars."""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import PREDICT_SHAPES, houses, time_prices
from pricebench.artifacts import Artifacts
from pricebench.data import Dataset
from pricebench.modes import ExecutionMode
from pricebench.serving import Predictor
from pricebench.suite import describe, forward_case
from pricebench.workload import Workload


@pytest.mark.parametrize("shape", ["full", "residual", "single"])
def test_forward(
    benchmark: BenchmarkFixture, mode: ExecutionMode, shape: str, workload: Workload, device: torch.device
) -> None:
    """One forward pass; for house prices, on z-scored rows."""
    forward_case(workload, mode, shape, device).run(benchmark)


@pytest.mark.parametrize("shape", PREDICT_SHAPES)
def test_predict(
    benchmark: BenchmarkFixture,
    mode: ExecutionMode,
    shape: str,
    workload: Workload,
    artifacts: Artifacts,
    training_rows: Dataset,
    device: torch.device,
) -> None:
    """Raw features to dollars: checks, normalise, model, denormalise. The error is in dollars."""
    if device.type != "cpu":
        pytest.skip("the predictor serves on the CPU")
    features_NF = houses(shape, workload, training_rows)
    rows = len(features_NF)
    info = describe(workload, mode, rows, lambda: workload.inputs(rows).call(artifacts.model))
    benchmark.extra_info.update({**info, "shape": shape})

    predictor = Predictor(artifacts, mode=mode.name)
    time_prices(benchmark, predictor.predict, features_NF, artifacts, precision=mode.precision)
