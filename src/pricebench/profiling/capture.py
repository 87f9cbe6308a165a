"""Running any callable under torch.profiler: a gzipped Chrome trace with its steps marked.

Nothing is timed here. The profiler slows what it watches, so a trace serves for shares alone.
"""

from __future__ import annotations

import gc
import gzip
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from pricebench.devices import CUDA, device_named
from pricebench.errors import TraceError
from pricebench.files import atomic_write
from pricebench.profiling import kineto
from pricebench.profiling.trace import STEP_MARK

WARM_UP_CALLS = (
    5  # TorchScript profiles its first call and optimises at the second; torch.compile compiles at the first
)
PROFILED_WARM_UP_CALLS = 2  # the profiler's own first records are slow; these are in the trace, but in no step
# Facts of this machine and its file system that torch writes into the file, each on a line of its own.
_PRIVATE = re.compile(rb'"(host_name|traceName)": "(?:[^"\\]|\\.)*"')


def capture(call: Callable[[], object], path: Path, *, num_steps: int = 20, device: str = "cpu") -> None:
    """Profile calls of `call`, after warm-up calls that are not profiled, and write the trace.

    Steps are marked ProfilerStep#0 to N-1, each around one call. Not by the profiler's own `step()`: its work between
    two steps, 0.1 ms, would count as Python of the step.

    Args:
        call: One step; its first call may compile.
        path: A name that ends in .gz; overwritten whole or not at all.
        num_steps: Calls that are marked.
        device: With "cuda" the device is recorded too, and each step waits for it.

    Raises:
        DeviceError: The device is not there.
        TraceError: The name says that the file is not gzipped.
    """
    if path.suffix != ".gz":
        raise TraceError(f"{path}: expected a name that ends in .gz: traces are stored gzipped.")
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}, expected at least 1.")
    activities = [ProfilerActivity.CPU]
    synchronize: Callable[[], None] = _nothing
    if device_named(device).type == CUDA:
        activities.append(ProfilerActivity.CUDA)
        synchronize = torch.cuda.synchronize
    kineto.silence()
    with _kernels_recorded():
        for _ in range(WARM_UP_CALLS):
            call()
            synchronize()
        with _no_garbage_collection(), profile(activities=activities) as profiler:
            for _ in range(PROFILED_WARM_UP_CALLS):
                call()
                synchronize()
            for number in range(num_steps):
                with record_function(f"{STEP_MARK}{number}"):
                    call()
                    synchronize()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(exported))
        _compress(exported, path)


def _nothing() -> None:
    """A CPU has nothing to wait for."""


@contextmanager
def _kernels_recorded() -> Iterator[None]:
    """Have Inductor's generated C++ kernels record themselves: without, their time is their caller's."""
    # Importing Inductor takes seconds. Whoever called torch.compile has it already, and nobody else needs it.
    config = sys.modules.get("torch._inductor.config")
    with config.patch({"cpp.enable_kernel_profile": True}) if config else nullcontext():
        yield


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """As the benchmarks: a collection in the middle of a step is no part of the mode."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _compress(exported: Path, path: Path) -> None:
    """Gzip, line by line, leaving out the machine's name and paths; the same events give the same bytes."""
    with (
        exported.open("rb") as lines,
        atomic_write(path) as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as compressed,
    ):
        for line in lines:
            compressed.write(_PRIVATE.sub(rb'"\1": ""', line) if b"host_name" in line or b"traceName" in line else line)
