"""A server as a tree of processes on one core: what it uses, and how it is suspended while others have their turn."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pricebench.units import Byte, Second

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IDLE = 0.2  # of a core: what only polls uses less, what has work to do all of it
_SETTLED_WITHIN: Second = 5.0


class NotServingError(Exception):
    """A server did not come up, or is gone."""


class Serving:
    """A server that was started.

    Attributes:
        address: Where it listens.
        process: The first of its processes.
    """

    def __init__(
        self, command: Sequence[str], *, port: int, core: int, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.address = ("127.0.0.1", port)
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [shutil.which("taskset") or "taskset", "--cpu-list", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **environment},
            )

    def wait_until_ready(self, path: str, body: str | None, *, within: Second) -> None:
        """Ask until it answers 200.

        Raises:
            NotServingError: It has ended, or does not answer in time.
        """
        end = time.monotonic() + within
        while self._status(path, body) != 200:
            if self.process.poll() is not None:
                raise NotServingError(f"it ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > end:
                raise NotServingError(f"it did not answer within {within:.0f} s: {self.last_words()}")
            time.sleep(0.2)

    def _status(self, path: str, body: str | None) -> int | None:
        connection = HTTPConnection(*self.address, timeout=10)
        try:
            connection.request("POST" if body else "GET", path, body, {"content-type": "application/json"})
            return connection.getresponse().status
        except (HTTPException, OSError):
            return None
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        """The body that it answers a GET with."""
        connection = HTTPConnection(*self.address, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def last_words(self) -> str:
        """What it has written last, on one line."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    # ---- its processes

    def pids(self) -> list[int]:
        """All of them."""
        return tree(self.process.pid)

    def cpu(self) -> Second:
        """Seconds of a processor that they have used, those included that have ended and were waited for."""
        return cpu_of(self.process.pid)

    def resident(self) -> Byte:
        """Memory of all of them, pages that they share counted for each."""
        return sum(_resident(pid) for pid in self.pids())

    def settle(self) -> None:
        """Wait until what was left over from a probe is done."""
        end = time.monotonic() + _SETTLED_WITHIN
        while time.monotonic() < end:
            before, since = self.cpu(), time.monotonic()
            time.sleep(0.3)
            if self.cpu() - before <= _IDLE * (time.monotonic() - since):
                return

    def suspend(self) -> None:
        """Stop all of them where they are."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Let it end in its own way, and help where it does not."""
        pids = self.pids()
        self.resume()
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=15)
        for pid in pids:
            if _is_alive(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def tree(root: int) -> list[int]:
    """A process, its descendants, and what else is of its session: a child of one that died is nobody's descendant."""
    children: dict[int, list[int]] = {}
    todo = [root]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        pid = int(stat.parent.name)
        fields = _fields(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
            if int(fields[3]) == root and pid != root:
                todo.append(pid)
    found: dict[int, None] = {}
    while todo:
        pid = todo.pop()
        if pid not in found:
            found[pid] = None
            todo += children.get(pid, [])
    return list(found)


def cpu_of(root: int) -> Second:
    """Seconds of a processor that a tree of processes has used."""
    return sum(_cpu(pid) for pid in tree(root))


def _fields(pid: int) -> list[str]:
    """Of `/proc/PID/stat`, from the state on: names before it may hold anything."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int) -> Second:
    fields = _fields(pid)
    return sum(map(int, fields[11:15])) / _TICK if fields else 0.0


def _resident(pid: int) -> Byte:
    fields = _fields(pid)
    return int(fields[21]) * _PAGE if fields else 0


def _is_alive(pid: int) -> bool:
    fields = _fields(pid)
    return bool(fields) and fields[0] != "Z"
