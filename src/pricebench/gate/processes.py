"""Starting the processes of a block, and talking with each over its own socket, with a time limit on every answer."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pricebench.gate import forkserver, lockstep
from pricebench.gate.environment import worker_environment
from pricebench.gate.records import Arm, GateError
from pricebench.gate.workspace import Workspace
from pricebench.units import Second

_TIME_LIMIT: Second = 600.0  # a fixture may train a model
_END_LIMIT: Second = 10.0
_PLUGIN = "pricebench_gate_lockstep"


class WorkerError(GateError):
    """A worker died, or did not answer in time."""


class EndedError(Exception):
    """A test raised while its benchmark was asked for something.

    Attributes:
        arm: Whose.
        outcome: pytest's word for how it ended.
        reason: What it said.
    """

    def __init__(self, arm: Arm, outcome: str, reason: str) -> None:
        super().__init__(f"{outcome}: {reason}")
        self.arm = arm
        self.outcome = outcome
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Where and how an arm runs.

    Attributes:
        arm: Which one.
        tree: Its checkout.
        python: Of its environment.
        suite: Files and folders with benchmarks, those that the tree has.
    """

    arm: Arm
    tree: Path
    python: Path
    suite: tuple[str, ...] = ()


def usable_cores() -> list[int]:
    """Cores that this process may run on; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What all processes of a gate run share.

    Attributes:
        workspace: Where they may write.
        root: The original checkout, from which nothing may be imported.
        select: pytest's -k, or empty.
        threads: Of each process.
        cores: That this process may use; the last one measures.
        environment: Variables set for all.
    """

    workspace: Workspace
    root: Path
    select: str = ""
    threads: int = 1
    cores: Sequence[int] = field(default_factory=usable_cores)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def measuring(self) -> list[int]:
        """Where slices run: with one thread the last core, which gets the fewest interrupts."""
        return list(self.cores[-self.threads :])


class Worker:
    """The driver's end of one pytest process."""

    def __init__(self, side: Side, connection: socket.socket, log: Path) -> None:
        self.side = side
        self._connection = connection
        self._log = log
        self._rest = b""

    def say(self, **request: object) -> None:
        """Send a request; whoever waits for the answer learns if nobody is there."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(json.dumps(request).encode() + b"\n")

    def ask(self, **request: object) -> dict[str, Any]:
        """The answer of a benchmark that was reached.

        Raises:
            EndedError: The test raised instead of answering; it is over.
            WorkerError: As `hear`.
        """
        self.say(**request)
        answer = self.hear()
        if "ended" in answer:
            raise EndedError(self.side.arm, answer["outcome"], answer["reason"])
        if "finished" in answer:
            raise self.left_early()
        return answer

    def left_early(self) -> WorkerError:
        """What to raise where pytest finished and tests were left."""
        return WorkerError(f"pytest on {self.side.arm} ended before all its tests had run. Leave out what ends it: -k.")

    def hear(self, limit: Second = _TIME_LIMIT) -> dict[str, Any]:
        """The next message.

        Raises:
            WorkerError: The process ended, or said nothing for too long.
        """
        deadline = time.monotonic() + limit
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._connection], [], [], max(0.0, left))
            if not ready:
                raise WorkerError(
                    f"pytest on {self.side.arm} said nothing for {limit:.0f} s. Leave out what takes so long: -k."
                )
            try:
                received = self._connection.recv(1 << 16)
            except ConnectionResetError:
                received = b""
            if not received:
                raise WorkerError(f"pytest on {self.side.arm} ended: {self._last_words()}")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Hang up; the process ends at its next word."""
        self._connection.close()

    def _last_words(self) -> str:
        """What pytest printed that says why, in one line."""
        with suppress(OSError):
            lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith(("E ", "ERROR", "ImportError", "pytest: error"))]
            if chosen := (errors or lines)[-1:]:
                return chosen[0].removeprefix("E ").strip()[:300]
        return "it printed nothing"


class Starter:
    """The processes of one block, whose imports have begun; a context that leaves none of them behind."""

    def __init__(self, crew: Crew, sides: Sequence[Side], *, modules: Sequence[str], seed: int) -> None:
        """Start importing.

        Args:
            crew: What all processes share.
            sides: The arms to start. Those of one Python are forked from one process if there are modules to share.
            modules: Imported before forking; none, and each arm is a process with imports of its own.
            seed: Of Python's hashes, one for the block.
        """
        self._crew = crew
        self.workers: dict[Arm, Worker] = {}
        self._servers: list[subprocess.Popen[str]] = []
        self._plans: list[Path] = []
        groups = [list(sides)] if modules else [[side] for side in sides]
        for group in groups:
            self._start(group, modules, seed)

    def _start(self, sides: Sequence[Side], modules: Sequence[str], seed: int) -> None:
        crew, folder = self._crew, self._crew.workspace.folder
        theirs: list[socket.socket] = []
        arms = []
        for side in sides:
            ours, other = socket.socketpair()
            theirs.append(other)
            log = folder / f"{side.arm}.log"
            log.unlink(missing_ok=True)
            self.workers[side.arm] = Worker(side, ours, log)
            # The plugin's folder holds nothing else: no module of ours hides one of the suite's.
            plugin = _copied(lockstep.__file__, folder / "plugin" / f"{_PLUGIN}.py")
            path = [*import_paths(side.tree), str(plugin.parent)]
            arms.append(
                {
                    "socket": other.fileno(),
                    "tree": str(side.tree),
                    "suite": list(side.suite),
                    "log": str(log),
                    "path": path,
                    "environment": {
                        **_folders(folder, side),
                        "PYTHONPATH": os.pathsep.join(path),
                        lockstep.SOCKET: str(other.fileno()),
                    },
                }
            )
        plan = folder / f"plan-{'-'.join(side.arm for side in sides)}-{seed}.json"
        # A suite's own -x would end it at the first failure, and what comes then would seem to be gone.
        arguments = ["-p", _PLUGIN, "--color=no", "--maxfail=0", *(["-k", crew.select] if crew.select else [])]
        plan.write_text(
            json.dumps(
                {
                    "root": str(crew.root),
                    "modules": list(modules),
                    "pytest": arguments,
                    "arms": arms,
                    "cores": list(crew.cores),
                }
            )
        )
        self._plans.append(plan)
        server = subprocess.Popen(
            [str(sides[0].python), str(_copied(forkserver.__file__, folder / "server.py")), str(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env=worker_environment(crew.threads, seed) | dict(crew.environment),
            pass_fds=[each.fileno() for each in theirs],
            # Ctrl-C is for the driver; and one signal reaches the server with all that came from it.
            start_new_session=True,
        )
        crew.workspace.will_end(server)
        for each in theirs:
            each.close()
        if modules and len(crew.cores) > len(crew.measuring):
            # It imports while another block is measured.
            with suppress(OSError):
                os.sched_setaffinity(server.pid, crew.cores[: -len(crew.measuring)])
        self._servers.append(server)

    def ready(self) -> None:
        """Wait until all that the arms share is imported.

        Raises:
            ThreadError: They cannot be forked after that.
            WorkerError: The imports failed.
        """
        for server in self._servers:
            assert server.stdout is not None
            ready, _, _ = select.select([server.stdout], [], [], _TIME_LIMIT)
            word, _, module = server.stdout.readline().strip().partition(" ") if ready else ("", "", "")
            if word == "threads":
                raise ThreadError(module)
            if word != "ready":
                raise WorkerError("a process that imports for the arms ended. Run again with --processes spawn.")

    def fork(self) -> dict[Arm, Worker]:
        """Let the arms begin, when they can; raises as `ready` does."""
        self.ready()
        for server in self._servers:
            assert server.stdin is not None
            with suppress(BrokenPipeError):
                server.stdin.write("fork\n")
                server.stdin.flush()
        return self.workers

    def cpu_seconds(self) -> Second:
        """Processor time of the servers that still run; their children that run are not in it."""
        return sum(_cpu_seconds(server.pid) for server in self._servers)

    def end(self) -> None:
        """No process of the block is left when this returns."""
        for worker in self.workers.values():
            worker.close()
        for server in self._servers:
            assert server.stdin is not None
            assert server.stdout is not None
            with suppress(BrokenPipeError):
                server.stdin.close()
            # It ends with its children, and its output with it.
            select.select([server.stdout], [], [], _END_LIMIT)
            # What tests started may still run. The number is the server's own until it is waited for.
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            server.stdout.close()
            self._crew.workspace.has_ended(server)
        for plan in self._plans:
            plan.unlink(missing_ok=True)

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class ThreadError(GateError):
    """Importing a module started a thread, which no fork would have.

    Attributes:
        module: Its name.
    """

    def __init__(self, module: str) -> None:
        super().__init__(f"importing {module} started a thread. Run again with --processes spawn.")
        self.module = module


def forkable(crew: Crew, side: Side, modules: Sequence[str]) -> list[str]:
    """Those of the modules after whose import a process can still be forked: packages that start threads are left out.

    Each arm then imports them itself.
    """
    left = list(modules)
    while left:
        with Starter(crew, [side], modules=left, seed=0) as starter:
            try:
                starter.ready()
            except ThreadError as error:
                package = error.module.partition(".")[0]
                left = [name for name in left if name.partition(".")[0] != package]
            else:
                break
    return left


@contextmanager
def started(crew: Crew, sides: Sequence[Side], *, modules: Sequence[str], seed: int) -> Iterator[dict[Arm, Worker]]:
    """Processes of a block that is not prepared ahead."""
    with Starter(crew, sides, modules=modules, seed=seed) as starter:
        yield starter.fork()


def _copied(source: str, target: Path) -> Path:
    """What runs in a worker runs from the workspace: code of the original checkout must not be used there."""
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        shutil.copy(source, target)
    return target


def import_paths(tree: Path) -> list[str]:
    """As `python -m pytest` in the tree, and where its package is if it has the src layout."""
    source = tree / "src"
    return [str(tree), *([str(source)] if source.is_dir() else [])]


def _folders(folder: Path, side: Side) -> dict[str, str]:
    """Where an arm may leave files; names of one length, so that environments are as long as one another."""
    tree = side.tree.name
    temporary = folder / f"tmp-{tree}"
    temporary.mkdir(exist_ok=True)
    return {
        "TMPDIR": str(temporary),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / f"inductor-{tree}"),
        "TRITON_CACHE_DIR": str(folder / f"triton-{tree}"),
    }


def _cpu_seconds(pid: int) -> Second:
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
