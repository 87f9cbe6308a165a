"""Forward passes in steady state, and the whole way from raw features to dollars."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import checked_error, dollar_tolerance, prices_in_float64
from pricebench.artifacts import Artifacts
from pricebench.data import Dataset
from pricebench.modes import ExecutionMode
from pricebench.serving import Predictor
from pricebench.suite import WARM_UP_CALLS, describe, forward_case
from pricebench.workload import Workload


@pytest.mark.parametrize("shape", ["full", "residual", "single"])
def test_forward(
    benchmark: BenchmarkFixture, mode: ExecutionMode, shape: str, workload: Workload, device: torch.device
) -> None:
    """One forward pass; for house prices, on z-scored rows."""
    forward_case(workload, mode, shape, device).run(benchmark)


@pytest.mark.parametrize("shape", ["single", "2", "8", "64", "512", "full", "2049", "5000"])
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
    rows = int(shape) if shape.isdigit() else min(workload.rows(shape), training_rows.num_rows)
    features_NF = np.resize(training_rows.features_NF, (rows, training_rows.features_NF.shape[1]))
    expected = prices_in_float64(artifacts, features_NF)
    tolerance = dollar_tolerance(artifacts)
    info = describe(workload, mode, rows, lambda: workload.inputs(rows).call(artifacts.model))
    benchmark.extra_info.update({**info, "shape": shape})
    predictor = Predictor(artifacts, mode=mode.name)
    for _ in range(WARM_UP_CALLS):
        checked_error(torch.from_numpy(predictor.predict(features_NF)), expected, tolerance=tolerance)

    price_N = benchmark(predictor.predict, features_NF)

    error = checked_error(torch.from_numpy(price_N), expected, tolerance=tolerance)
    benchmark.extra_info["max_abs_error"] = error
