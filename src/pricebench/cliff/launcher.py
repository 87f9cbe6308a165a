"""Starting cells in fresh processes and talking to them; and what compiling needs before any cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pricebench.cliff.records import Block, Call, Toolchain
from pricebench.cliff.schedule import Check, Kind, Step
from pricebench.paired.workspace import Workspace
from pricebench.units import Second
from pricebench.zygote.client import START_LIMIT, ChildError, Zygote, exit_text

TIME_LIMIT: Second = 120.0
# What a user's shell may hold that would change what is measured: a job id shares what earlier processes learnt about
# shapes, and the rest switches caches, logs or compilers.
_UNSET = (
    "TORCH_COMPILE_JOB_ID",
    "TORCH_LOGS",
    "TORCH_TRACE",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES",
    "TORCHDYNAMO_DISABLE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all cells of a run share.

    Attributes:
        workload: `module:function` or `path/to/file.py:function` that makes it in the cell's process.
        residual_rows: Of the residual batch; None for the workload's own.
        dims: Which axis is what, found out once and not in every cell; None where the cell may find out.
        threads: Of each cell, set before anything is compiled.
        device: "cpu" or "cuda".
        counts_only: Capture graphs, but compile nothing.
        time_limit: Seconds that any answer may take.
    """

    workload: str = "pricebench.workload:house_prices"
    residual_rows: int | None = None
    dims: Mapping[str, Mapping[int, str]] | None = None
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    device: str = "cpu"
    counts_only: bool = False
    time_limit: Second = TIME_LIMIT


class RunningProcess:
    """The parent's end of one cell."""

    def __init__(self, zygote: Zygote, ready: Mapping[str, Any]) -> None:
        self._zygote = zygote
        self.prepare_seconds: Second = ready["prepare"]

    def call(self, step: Step) -> Call:
        """Make a step's first call.

        Raises:
            ChildError: The process crashed or hung.
        """
        return Call.from_json(self._zygote.ask(do="call", step=asdict(step))["call"])

    def block(self, step: Step, num_blocks: int) -> Block | None:
        """Measure a step's steady block; None where the arm drops the batch."""
        found = self._zygote.ask(do="block", step=asdict(step), num_blocks=num_blocks)["block"]
        return found and Block.from_json(found)

    def num_graphs(self) -> int | None:
        """Graphs handed to the compiler; the process ends with this answer."""
        found: int | None = self._zygote.ask(do="end")["num_graphs"]
        return found


class Launcher:
    """Starts cells one after another; a context that leaves no process and no temporary file behind."""

    def __init__(self, setting: Setting, folder: Path, modules: list[str]) -> None:
        """Nothing is started yet.

        Args:
            setting: What all cells share.
            folder: For temporary files; the caller's to remove.
            modules: What cells would import while they compile: imported once, before they are forked.
        """
        self._setting = setting
        preload = folder / "preload.json"
        preload.write_text(json.dumps(modules))
        self.zygote = Zygote(
            ["-m", "pricebench.cliff.worker", str(preload)],
            environment=environment(folder),
            log=folder / "worker.log",
            limit=setting.time_limit,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.zygote.stop()

    @contextmanager
    def cell(self, arm: str, kind: Kind, cache: Path, check: Check = Check.YES) -> Iterator[RunningProcess]:
        """A fresh process with an arm made ready, which compiles into `cache`; ended on leaving.

        Raises:
            ChildError: It could not be prepared.
        """
        setting = self._setting
        with self.zygote.child(
            arm=arm,
            kind=kind,
            workload=setting.workload,
            residual_rows=setting.residual_rows,
            dims=setting.dims,
            check=check,
            threads=setting.threads,
            device=setting.device,
            counts_only=setting.counts_only,
            environment={"TORCHINDUCTOR_CACHE_DIR": str(cache), "TRITON_CACHE_DIR": str(cache / "triton")},
        ) as ready:
            yield RunningProcess(self.zygote, ready)


def environment(folder: Path) -> dict[str, str]:
    """The user's environment without what would change the measurement; precompiled headers go into `folder`."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}


def measure_toolchain(folder: Path) -> tuple[Toolchain, list[str], Path]:
    """Compile a one-line function in an empty environment, and again in a second process.

    Args:
        folder: Holds the precompiled headers, which all later cells share, and the cache that is returned.

    Returns:
        The times; the modules that compiling imports; a cache folder in which only the toolchain is ready.

    Raises:
        ChildError: Nothing can be compiled here.
    """
    cache = folder / "toolchain"
    first, later = (_compile_something(folder, cache, constant) for constant in (1, 2))
    toolchain = Toolchain(
        imports=later["imports"],
        compiler_imports=later["compiler_imports"],
        first=first["compile"],
        later=later["compile"],
    )
    return toolchain, first["modules"], cache


def _compile_something(folder: Path, cache: Path, constant: int) -> dict[str, Any]:
    code = f"from pricebench.cliff.worker import compile_something; compile_something({constant})"
    command = [sys.executable, "-c", code]
    env = environment(folder) | {"TORCHINDUCTOR_CACHE_DIR": str(cache), "TRITON_CACHE_DIR": str(cache / "triton")}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=START_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise ChildError(f"compiling a one-line function took more than {START_LIMIT:.0f} s") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise ChildError(f"compiling a one-line function failed ({exit_text(done.returncode)}): {words[-1][:200]}")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of this run alone: two runs at once do not mix. A killed run leaves none, on Linux and macOS."""
    if os.name == "posix":
        with Workspace() as workspace:
            yield workspace.folder
        return
    with tempfile.TemporaryDirectory(prefix="pricebench-cliff-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
