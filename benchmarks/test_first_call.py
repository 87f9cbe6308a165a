"""The first call of a fresh process with an empty compile cache: single events, never mixed with steady state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from pricebench.modes import ExecutionMode
from pricebench.suite import describe, require_shape
from pricebench.workload import Workload

LATER_CALLS = 3


class Worker:
    """The other end of `first_call_worker`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ready = self._hear()

    def call(self) -> dict[str, Any]:
        """Ask for one call and wait for its answer; a wrong one fails the test."""
        assert self._process.stdin is not None
        self._process.stdin.write("call\n")
        self._process.stdin.flush()
        facts = self._hear()
        if facts["wrong"]:
            pytest.fail(f"wrong answer: {facts['wrong']}")
        return facts

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            pytest.fail(f"the worker ended: {self._process.stderr.read()[-2000:]}")
        facts: dict[str, Any] = json.loads(line)
        if "failure" in facts:
            pytest.skip(str(facts["failure"]))
        return facts


@contextmanager
def fresh_process(name: str, workload: Workload, mode: str, shape: str, cache: Path) -> Iterator[Worker]:
    """Start a worker that makes the workload of this name, and compiles into `cache`; and end it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # A job id would share what earlier processes learnt about shapes.
        if name not in ("TORCH_COMPILE_JOB_ID", "PYTEST_CURRENT_TEST")
    }
    environment |= {"TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"), "TRITON_CACHE_DIR": str(cache / "triton")}
    device = next((tensor.device.type for _, tensor in workload.inputs(shape).tensors()), "cpu")
    options = {
        "workload": name,
        "sizes": json.dumps(dict(workload.sizes(shape))),
        "dims": json.dumps(workload.dims),  # finding them once more would take seconds
        "mode": mode,
        "threads": torch.get_num_threads(),
        "device": device,
    }
    command = [sys.executable, "-m", "benchmarks.first_call_worker"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
    ) as process:
        try:
            yield Worker(process)
        finally:
            if process.stdin:
                process.stdin.close()
            process.kill()


@pytest.mark.parametrize("shape", ["full", "residual", "single"])
def test_first_call(
    benchmark: BenchmarkFixture,
    mode: ExecutionMode,
    shape: str,
    workload: Workload,
    pytestconfig: pytest.Config,
    tmp_path: Path,
) -> None:
    """The first call; beside it import, preparation, later calls and, for one shape, a process with a warm cache."""
    require_shape(workload, shape)
    name = pytestconfig.option.workload
    info = describe(workload, mode, shape, lambda: workload.inputs(shape).call(workload.module))
    with fresh_process(name, workload, mode.name, shape, tmp_path) as worker:
        first = benchmark.pedantic(worker.call, rounds=1, iterations=1)
        later = [worker.call()["call_s"] for _ in range(LATER_CALLS)]
    benchmark.extra_info.update(
        info,
        max_abs_error=first["max_abs_error"],
        cache="empty",
        **worker.ready,
        call_by_own_clock=first["call_s"],
        later_calls=later,
    )
    if mode.name == "compile" and shape == "full":
        with fresh_process(name, workload, mode.name, shape, tmp_path) as worker:
            benchmark.extra_info["warm_cache_s"] = worker.call()["call_s"]
