"""Raw features to dollars by other libraries, beside our predictor in the same table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import PREDICT_SHAPES, houses, time_prices
from benchmarks.rivals import RIVALS, write_onnx
from pricebench.artifacts import Artifacts
from pricebench.data import Dataset
from pricebench.modes import mode_named
from pricebench.suite import describe
from pricebench.workload import Workload


@pytest.fixture(scope="session")
def onnx_file(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the rivals read."""
    path = tmp_path_factory.mktemp("onnx") / "pricer.onnx"
    write_onnx(artifacts, path)
    return path


@pytest.mark.parametrize("shape", PREDICT_SHAPES)
@pytest.mark.parametrize("rival", list(RIVALS))
def test_predict_rival(
    benchmark: BenchmarkFixture,
    rival: str,
    shape: str,
    workload: Workload,
    artifacts: Artifacts,
    training_rows: Dataset,
    onnx_file: Path,
    device: torch.device,
) -> None:
    """The same houses as `test_predict`, with the same check. Preparing is not timed."""
    if device.type != "cpu":
        pytest.skip("the rivals are set up for the CPU")
    features_NF = houses(shape, workload, training_rows)
    rows = len(features_NF)
    info = describe(workload, mode_named("eager"), rows, lambda: workload.inputs(rows).call(artifacts.model))
    benchmark.extra_info.update({**info, "shape": shape, "mode": None, "role": "rival", "beside": "test_predict"})

    time_prices(benchmark, RIVALS[rival](onnx_file), features_NF, artifacts)
