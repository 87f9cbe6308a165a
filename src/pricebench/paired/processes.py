"""Starting the processes of a block, and ending them, whatever happens in between."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pricebench.paired import answering, forkserver
from pricebench.paired.environment import worker_environment
from pricebench.paired.records import PairedError
from pricebench.paired.worker import TIME_LIMIT, Process, Worker, WorkerError
from pricebench.paired.workspace import Workspace
from pricebench.units import Second

_END_LIMIT: Second = 10.0


def usable_cores() -> list[int]:
    """Cores that this process may run on; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What all processes of a run share.

    Attributes:
        workspace: Where they may write.
        root: A checkout from which nothing may be imported: an arm's folder takes its place. None where there is none.
        threads: Of each process.
        cores: That this process may use; the last one measures.
        environment: Variables set for all.
        unforked: How a person can have the arms started without a fork, a sentence.
    """

    workspace: Workspace
    root: Path | None = None
    threads: int = 1
    cores: Sequence[int] = field(default_factory=usable_cores)
    environment: Mapping[str, str] = field(default_factory=dict)
    unforked: str = "Let each arm import for itself."

    @property
    def measuring(self) -> list[int]:
        """Where slices run: with one thread the last core, which gets the fewest interrupts."""
        return list(self.cores[-self.threads :])

    @property
    def spare(self) -> list[int]:
        """Where the next block is prepared while one is measured; empty where all cores measure."""
        return list(self.cores[: -self.threads])


class Starter:
    """The processes of one block, whose imports have begun; a context that leaves none of them behind."""

    def __init__(
        self, crew: Crew, processes: Sequence[Process], *, modules: Sequence[str], seed: int, at_once: bool = False
    ) -> None:
        """Start importing.

        Args:
            crew: What all processes share.
            processes: The arms to start. They are forked from one process if there are modules to share.
            modules: Imported before forking; none, and each arm is a process with imports of its own.
            seed: Of Python's hashes, one for the block.
            at_once: The arms begin without waiting for `fork`, on all cores unless `use` says otherwise.
        """
        self._crew = crew
        self._is_taken = False
        self.workers: dict[str, Worker] = {}
        self._servers: list[subprocess.Popen[str]] = []
        self._files: list[Path] = []
        groups = [list(processes)] if modules else [[process] for process in processes]
        for group in groups:
            self._start(group, modules, seed, at_once=at_once)

    def _start(self, processes: Sequence[Process], modules: Sequence[str], seed: int, *, at_once: bool) -> None:
        crew, folder = self._crew, self._crew.workspace.folder
        theirs: list[socket.socket] = []
        arms = []
        for process in processes:
            ours, other = socket.socketpair()
            theirs.append(other)
            # Not the last block's, whose arm may still write to it.
            log = folder / f"{process.arm}-{seed}.log"
            self._files.append(log)
            self.workers[process.arm] = Worker(process, ours, log)
            arms.append(
                {
                    "socket": other.fileno(),
                    "folder": str(process.folder),
                    "log": str(log),
                    "path": list(process.path),
                    "target": process.target,
                    "arguments": dict(process.arguments),
                    "environment": {
                        **process.environment,
                        "PYTHONPATH": os.pathsep.join(process.path),
                        answering.SOCKET: str(other.fileno()),
                    },
                }
            )
        plan = folder / f"plan-{processes[0].arm}-{seed}.json"
        plan.write_text(
            json.dumps(
                {
                    "root": None if crew.root is None else str(crew.root),
                    "modules": list(modules),
                    "arms": arms,
                    # Who begins at once stays where its parent was sent.
                    "cores": [] if at_once else list(crew.cores),
                    "at_once": at_once,
                }
            )
        )
        self._files.append(plan)
        server = subprocess.Popen(
            [str(processes[0].python), str(copied(forkserver.__file__, folder / "server.py")), str(plan)],
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
        if modules and crew.spare and not at_once:
            # It imports while another block is measured.
            with suppress(OSError):
                os.sched_setaffinity(server.pid, crew.spare)
        self._servers.append(server)

    def ready(self) -> None:
        """Wait until all that the arms share is imported.

        Raises:
            ThreadError: They cannot be forked after that.
            WorkerError: The imports failed.
        """
        for server in self._servers:
            assert server.stdout is not None
            ready, _, _ = select.select([server.stdout], [], [], TIME_LIMIT)
            word, _, module = server.stdout.readline().strip().partition(" ") if ready else ("", "", "")
            if word == "threads":
                raise ThreadError(module, self._crew.unforked)
            if word != "ready":
                raise WorkerError(f"a process that imports for the arms ended. {self._crew.unforked}")

    def fork(self) -> dict[str, Worker]:
        """Let the arms begin, when they can; raises as `ready` does."""
        self.ready()
        self._is_taken = True
        for server in self._servers:
            assert server.stdin is not None
            with suppress(BrokenPipeError):
                server.stdin.write("fork\n")
                server.stdin.flush()
        return self.workers

    def use(self, cores: Sequence[int]) -> None:
        """Let what runs already use these cores, where the system can; no cores change nothing."""
        if not cores:
            return
        for _ in range(2):  # a process that was forked meanwhile is found by the second
            for pid in _processes({server.pid for server in self._servers}):
                for thread in Path(f"/proc/{pid}/task").glob("*"):
                    with suppress(OSError, ValueError):  # it may end meanwhile
                        os.sched_setaffinity(int(thread.name), cores)

    def cpu_seconds(self) -> Second:
        """Processor time of the processes of the block that still run, and of those that these have waited for."""
        return _cpu_seconds({server.pid for server in self._servers})

    def end(self) -> None:
        """No process of the block is left when this returns."""
        for worker in self.workers.values():
            worker.close()
        for server in self._servers:
            assert server.stdin is not None
            assert server.stdout is not None
            with suppress(BrokenPipeError):
                server.stdin.close()
            # It ends with its children, and its output with it. What was begun for a block that never came needs no
            # such time.
            select.select([server.stdout], [], [], _END_LIMIT if self._is_taken else 0.0)
            # What tests started may still run. The number is the server's own until it is waited for.
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            server.stdout.close()
            self._crew.workspace.has_ended(server)
        for file in self._files:
            file.unlink(missing_ok=True)

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class ThreadError(PairedError):
    """Importing a module started a thread, which no fork would have.

    Attributes:
        module: Its name.
    """

    def __init__(self, module: str, remedy: str) -> None:
        super().__init__(f"importing {module} started a thread. {remedy}")
        self.module = module


def forkable(crew: Crew, process: Process, modules: Sequence[str]) -> list[str]:
    """Those of the modules after whose import a process can still be forked: packages that start threads are left out.

    Each arm then imports them itself.
    """
    left = list(modules)
    while left:
        with Starter(crew, [process], modules=left, seed=0) as starter:
            try:
                starter.ready()
            except ThreadError as error:
                package = error.module.partition(".")[0]
                left = [name for name in left if name.partition(".")[0] != package]
            else:
                break
    return left


@contextmanager
def started(
    crew: Crew, processes: Sequence[Process], *, modules: Sequence[str], seed: int
) -> Iterator[dict[str, Worker]]:
    """Processes of a block that is not prepared ahead."""
    with Starter(crew, processes, modules=modules, seed=seed) as starter:
        yield starter.fork()


def copied(source: str | Path, target: Path) -> Path:
    """What runs in a worker runs from the workspace: code of the original checkout must not be used there."""
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        shutil.copy(source, target)
    return target


def own_folders(folder: Path, name: str) -> dict[str, str]:
    """Variables for where an arm may leave files. Names of one length: environments are then as long as one another."""
    temporary = folder / f"tmp-{name}"
    temporary.mkdir(exist_ok=True)
    return {
        "TMPDIR": str(temporary),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / f"inductor-{name}"),
        "TRITON_CACHE_DIR": str(folder / f"triton-{name}"),
    }


def _cpu_seconds(sessions: set[int]) -> Second:
    """Of all processes of these sessions, with the children that they have waited for."""
    total = sum(_processes(sessions).values())
    return total / os.sysconf("SC_CLK_TCK") if total else 0.0


def _processes(sessions: set[int]) -> dict[int, int]:
    """Processes of these sessions by number, with their ticks of processor time; empty where nobody tells."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) in sessions:
                found[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    return found
