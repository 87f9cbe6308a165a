"""The first call of a fresh process with an empty compile cache: single events, never mixed with steady state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from pricebench.modes import ExecutionMode
from pricebench.suite import describe, require_shape
from pricebench.units import Second
from pricebench.workload import Workload
from pricebench.zygote.client import RefusalError, Zygote

LATER_CALLS = 3
TIME_LIMIT: Second = 600.0  # compiling a large model takes minutes


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """What all first calls are forked from: torch is imported once."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # A job id would share what earlier processes learnt about shapes.
        if name not in ("TORCH_COMPILE_JOB_ID", "PYTEST_CURRENT_TEST")
    }
    command = ["-m", "benchmarks.first_call_worker"]
    log = tmp_path_factory.mktemp("first_call") / "worker.log"
    with Zygote(
        command, environment=environment, log=log, limit=TIME_LIMIT, folder=Path(__file__).parents[1]
    ) as started:
        yield started


def fresh_process(
    zygote: Zygote, name: str, workload: Workload, mode: str, shape: str, cache: Path
) -> AbstractContextManager[dict[str, Any]]:
    """A process that makes the workload of this name ready, says what that took, and compiles into `cache`."""
    return zygote.child(
        workload=name,
        sizes=dict(workload.sizes(shape)),
        dims=workload.dims,  # finding them once more would take seconds
        mode=mode,
        threads=torch.get_num_threads(),
        device=next((tensor.device.type for _, tensor in workload.inputs(shape).tensors()), "cpu"),
        environment={"TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"), "TRITON_CACHE_DIR": str(cache / "triton")},
    )


def call(zygote: Zygote) -> dict[str, Any]:
    """Ask the process for one call; a wrong answer fails the test."""
    facts = zygote.ask(do="call")
    if facts["wrong"]:
        pytest.fail(f"wrong answer: {facts['wrong']}")
    return facts


@pytest.mark.parametrize("shape", ["full", "residual", "single"])
def test_first_call(
    benchmark: BenchmarkFixture,
    mode: ExecutionMode,
    shape: str,
    workload: Workload,
    zygote: Zygote,
    pytestconfig: pytest.Config,
    tmp_path: Path,
) -> None:
    """The first call; beside it import, preparation, later calls and, for one shape, a process with a warm cache."""
    require_shape(workload, shape)
    name = pytestconfig.option.workload
    info = describe(workload, mode, shape, lambda: workload.inputs(shape).call(workload.module))
    process = (zygote, name, workload, mode.name, shape, tmp_path)
    try:
        with fresh_process(*process) as ready:
            first = benchmark.pedantic(call, args=(zygote,), rounds=1, iterations=1)
            later = [call(zygote)["call_s"] for _ in range(LATER_CALLS)]
    except RefusalError as error:
        pytest.skip(str(error))
    benchmark.extra_info.update(
        info,
        max_abs_error=first["max_abs_error"],
        cache="empty",
        **ready,
        call_by_own_clock=first["call_s"],
        later_calls=later,
    )
    if mode.name == "compile" and shape == "full":
        with fresh_process(*process):
            benchmark.extra_info["warm_cache_s"] = call(zygote)["call_s"]
