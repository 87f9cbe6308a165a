"""The first call of a fresh process with an empty compile cache: single events, never mixed with steady state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import describe
from pricebench.modes import ExecutionMode
from pricebench.workload import Workload

LATER_CALLS = 3


class Worker:
    """The other end of `first_call_worker`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ready = self._hear()

    def call(self) -> dict[str, float]:
        """Ask for one call and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write("call\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            pytest.fail(f"the worker ended: {self._process.stderr.read()[-2000:]}")
        facts: dict[str, float] = json.loads(line)
        return facts


@contextmanager
def fresh_process(mode: str, rows: int, device: torch.device, cache: Path) -> Iterator[Worker]:
    """Start a worker that compiles into `cache`, and end it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # A job id would share what earlier processes learnt about shapes.
        if name not in ("TORCH_COMPILE_JOB_ID", "PYTEST_CURRENT_TEST")
    }
    environment |= {"TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"), "TRITON_CACHE_DIR": str(cache / "triton")}
    options = {"mode": mode, "rows": rows, "threads": torch.get_num_threads(), "device": device.type}
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
    device: torch.device,
    tmp_path: Path,
) -> None:
    """The first call; beside it import, preparation, later calls and, for one shape, a process with a warm cache."""
    rows = workload.shapes[shape]
    info = describe(workload, mode, shape, lambda: workload.module(workload.inputs(rows)))
    with fresh_process(mode.name, rows, device, tmp_path) as worker:
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
        with fresh_process(mode.name, rows, device, tmp_path) as worker:
            benchmark.extra_info["warm_cache_s"] = worker.call()["call_s"]
