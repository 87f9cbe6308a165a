"""Starting cells in fresh processes and talking to them, with a time limit on every answer."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pricebench.cliff.records import Block, Call, Toolchain
from pricebench.cliff.schedule import Check, CliffError, Kind, Step
from pricebench.cliff.worker import CAN_FORK
from pricebench.paired.workspace import Workspace
from pricebench.units import Second

TIME_LIMIT: Second = 120.0
START_LIMIT: Second = 180.0
# What a user's shell may hold that would change what is measured: a job id shares what earlier processes learnt about
# shapes, and the rest switches caches, logs or compilers.
_UNSET = (
    "TORCH_COMPILE_JOB_ID",
    "TORCH_LOGS",
    "TORCH_TRACE",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES",
    "TORCHDYNAMO_DISABLE",
)


class CellError(CliffError):
    """A cell crashed, hung or could not be prepared."""


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

    def __init__(self, launcher: Launcher, ready: dict[str, Any]) -> None:
        self._launcher = launcher
        self.prepare_seconds: Second = ready["prepare"]

    def call(self, step: Step) -> Call:
        """Make a step's first call.

        Raises:
            CellError: The process crashed or hung.
        """
        return Call.from_json(self._launcher.ask(do="call", step=asdict(step))["call"])

    def block(self, step: Step, num_blocks: int) -> Block | None:
        """Measure a step's steady block; None where the arm drops the batch."""
        found = self._launcher.ask(do="block", step=asdict(step), num_blocks=num_blocks)["block"]
        return found and Block.from_json(found)

    def num_graphs(self) -> int | None:
        """Graphs handed to the compiler; the process ends with this answer."""
        found: int | None = self._launcher.ask(do="end")["num_graphs"]
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
        self._folder = folder
        self._preload = folder / "preload.json"
        self._preload.write_text(json.dumps(modules))
        self._log = folder / "worker.log"
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._is_serving = False  # a cell, or an attempt at one
        self._child: int | None = None
        self.cpu_seconds: Second = 0.0  # of the cells that have ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @contextmanager
    def cell(self, arm: str, kind: Kind, cache: Path, check: Check = Check.YES) -> Iterator[RunningProcess]:
        """A fresh process with an arm made ready, which compiles into `cache`; ended on leaving.

        Raises:
            CellError: It could not be prepared.
        """
        self._start()
        setting = self._setting
        self._is_serving = True
        try:
            self._send(
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
            )
            self._child = self._receive(START_LIMIT)["pid"]
            yield RunningProcess(self, self._receive(START_LIMIT))
        finally:
            self._end_cell()

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            CellError: The process said why it cannot, died, or did not answer in time.
        """
        self._send(**request)
        return self._receive(self._setting.time_limit)

    def _send(self, **request: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # whoever waits for the answer learns what happened
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _receive(self, limit: Second) -> dict[str, Any]:
        assert self._process is not None
        try:
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            raise CellError(f"no answer within {limit:.0f} s; ended") from None
        answer: dict[str, Any] = json.loads(line) if line else {"ended": self._process.wait()}
        if "ended" in answer:
            self._is_serving = False
            self.cpu_seconds = answer.get("cpu_seconds", self.cpu_seconds)
            raise CellError(f"the process ended ({_exit(answer['ended'])}){self._last_words()}")
        if "failure" in answer:
            raise CellError(str(answer["failure"]))
        return answer

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._answers = queue.Queue()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pricebench.cliff.worker", str(self._preload)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment(self._folder),
                # Ctrl-C reaches the parent alone, which then ends this one in good order.
                start_new_session=CAN_FORK,
            )
        threading.Thread(target=_collect, args=(self._process, self._answers.put), daemon=True).start()

    def _end_cell(self) -> None:
        """The process that served a cell is gone when this returns."""
        child, self._child = self._child, None
        if not self._is_serving:
            return
        self._is_serving = False
        if child is None or not CAN_FORK:
            # Not even its number is known, or it is the process itself.
            self._stop()
            return
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        with suppress(queue.Empty):
            while line := self._answers.get(timeout=START_LIMIT):
                answer = json.loads(line)
                if "ended" in answer:
                    self.cpu_seconds = answer["cpu_seconds"]
                    return

    def _stop(self) -> None:
        if self._process is None:
            return
        if CAN_FORK and self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process = None

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()[:200]}" if lines else ""


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
        CellError: Nothing can be compiled here.
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
        raise CellError(f"compiling a one-line function took more than {START_LIMIT:.0f} s") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise CellError(f"compiling a one-line function failed ({_exit(done.returncode)}): {words[-1][:200]}")
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


def _collect(process: subprocess.Popen[str], put: Callable[[str], None]) -> None:
    assert process.stdout is not None
    with suppress(ValueError):  # closed by the parent
        for line in process.stdout:
            put(line)
    put("")


def _exit(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
