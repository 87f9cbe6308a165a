"""What the cases share: the float64 reference, the check against it, and what goes into `extra_info`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pricebench.artifacts import Artifacts
from pricebench.modes import ExecutionMode
from pricebench.workload import Workload, compulsory_bytes, count_flop

T = TypeVar("T")

WARM_UP_CALLS = 5  # TorchScript profiles its first call and optimises at the second
# z-score units. A float32 sum of 256 products is off by about 256 ** 0.5 * 2 ** -24; this leaves a factor of ten.
TOLERANCE = 1e-5


def in_float64(module: nn.Module) -> nn.Module:
    """An eager copy in float64: what every output is checked against."""
    return copy.deepcopy(module).double().eval()


def checked_error(found: Tensor, expected: Tensor, *, tolerance: float = TOLERANCE) -> float:
    """The largest absolute difference; a wrong or non-finite output fails the benchmark."""
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    error = (found.detach().double() - expected.detach().double()).abs().max().item()
    # Not `error > tolerance`: NaN must fail too.
    assert error <= tolerance, f"differs from eager in float64 by {error:.3g}, tolerated is {tolerance:g}"
    return error


def prices_in_float64(artifacts: Artifacts, features_NF: NDArray[np.float64]) -> Tensor:
    """Dollars of raw features, `(N, F)` to `(N,)`, every step in float64."""
    features, price = artifacts.stats.features, artifacts.stats.price
    with torch.inference_mode():
        z_N1 = in_float64(artifacts.model)((torch.from_numpy(features_NF) - features.mean) / features.std)
        return (z_N1 * price.std + price.mean)[:, 0]


def dollar_tolerance(artifacts: Artifacts) -> float:
    """`TOLERANCE` of a z-score in dollars; the rounding of a price to float32, 6 cents in a million, is far below."""
    return TOLERANCE * float(artifacts.stats.price.std)


def synchronized(call: Callable[[], T], device: torch.device) -> Callable[[], T]:
    """On CUDA wait for the device inside the timed call; on the CPU nothing is added."""
    if device.type != "cuda":
        return call

    def call_and_wait() -> T:
        result = call()
        torch.cuda.synchronize(device)
        return result

    return call_and_wait


def describe(workload: Workload, mode: ExecutionMode, shape: str, run: Callable[[], Any]) -> dict[str, Any]:
    """The `extra_info` that every case of a workload has; `run` is one eager call, for its FLOP."""
    inputs = workload.inputs(workload.shapes[shape])
    return {
        "workload": workload.name,
        "mode": mode.name,
        "shape": shape,
        "rows": len(inputs),
        "device": inputs.device.type,
        "dtype": str(inputs.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "flop": count_flop(run),
        "bytes": compulsory_bytes(workload.module, inputs, workload.targets(len(inputs))),
    }
