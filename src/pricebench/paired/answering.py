"""A worker's side of a block: it measures slice by slice, when the driver says so.

It imports the standard library only and runs without pricebench: a copy of this file may lie beside the code of another
environment.

Both sides talk in JSON lines over a socket whose descriptor stands in the environment. The worker does nothing without
being asked:

    worker                                         driver
    {"collected": [...], "machine": {...}}         {"run": [ids, in order]}
    {"reached": id, "rounds": null or n, ...}      {"do": "calibrate", "cores": [n]}
    {"seconds": per call}                          {"do": "slice", "calls": n, "spin": seconds per call}
    {"seconds": of the slice, "waited": ...}       ... {"do": "finish"}
    {"ended": id, "outcome": ..., "reason": ...}   after each case, whether it was reached or not; instead of any answer
                                                   when the case raised
    {"finished": status, ...}                      nothing: the process ends
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

SOCKET = "PRICEBENCH_SOCKET"
_MIN_CALIBRATION = 0.005  # seconds; the clock is then good to one part in ten thousand
_WARM_UP_SHARE = 0.1  # of a slice's calls, made before it and not timed: the caches are the other arm's until then


class Line:
    """The worker's end of the socket."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the call has no keyword
        connection = socket.socket(fileno=descriptor)
        self._reader = connection.makefile("r", encoding="utf-8")
        self._writer = connection.makefile("w", encoding="utf-8")

    @classmethod
    def of_environment(cls) -> Line:
        """The one that the driver opened.

        Raises:
            KeyError: This process was not started by a driver.
        """
        return cls(int(os.environ[SOCKET]))

    def say(self, **facts: object) -> None:
        """Send a line. The process ends where nobody is there to be told."""
        try:
            self._writer.write(json.dumps(facts) + "\n")
            self._writer.flush()
        except (BrokenPipeError, ConnectionResetError):
            os._exit(3)

    def hear(self) -> dict[str, Any]:
        """The driver's next line. The process ends where there is no driver any more."""
        line = self._reader.readline()
        if not line:
            os._exit(3)
        request: dict[str, Any] = json.loads(line)
        return request


Run = Callable[[int, float], float]  # (calls, seconds of slowdown per call) -> seconds of all calls


def timed(
    function: Callable[..., object],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    timer: Callable[[], float] = time.perf_counter,
) -> Run:
    """What `answer` measures: the seconds that some calls of a function take, one after another."""
    named = dict(kwargs or {})

    def run(calls: int, spin: float) -> float:
        repeat = itertools.repeat(None, calls)
        start = timer()
        for _ in repeat:
            function(*args, **named)
        spin_for(spin * calls)
        return float(timer() - start)

    return run


def serve(line: Line, cases: Mapping[str, Run], *, machine: Mapping[str, object] | None = None) -> None:
    """All of a plain worker's part. What can be prepared should be before: other arms may be measured meanwhile.

    Args:
        line: To the driver.
        cases: By id what is measured.
        machine: What must be the same in all processes that are compared.
    """
    line.say(collected=list(cases), machine=dict(machine or {}))
    for name in line.hear()["run"]:
        outcome, reason = "passed", ""
        try:
            answer(line, name, cases[name])
        except Exception as error:
            outcome, reason = "failed", f"{type(error).__name__}: {error}"[:300]
        line.say(ended=name, outcome=outcome, reason=reason)
    line.say(finished=0)


def answer(
    line: Line,
    name: str,
    run: Run,
    *,
    calibrate: Callable[[], float] | None = None,
    warm_up: Callable[[int], None] | None = None,
    rounds: int | None = None,
    iterations: int = 1,
    calibrated: Callable[[float], None] = lambda _: None,
    sliced: Callable[[int, float], None] = lambda _calls, _seconds: None,
) -> None:
    """Say that a case is reached, and do what the driver says until it says finish.

    Args:
        line: To the driver.
        name: Of the case.
        run: Makes so many calls, each slowed down by so many seconds; returns the seconds of all.
        calibrate: Returns seconds per call, 0 if it cannot know; by default from as many calls as that takes.
        warm_up: Called before each slice with its number of calls; by default a tenth of them is made.
        rounds: The most calls that the case allows; None for any number.
        iterations: Of the case's function in a call.
        calibrated: Is told the seconds per call, where they are known.
        sliced: Is told the calls and seconds of each slice.
    """
    calibrate = calibrate or (lambda: _calibrate(run))
    warm_up = warm_up or (lambda calls: _warm_up(run, calls))
    tracer, profiler, was_collecting = sys.gettrace(), sys.getprofile(), gc.isenabled()
    free = _allowed_cores()
    line.say(reached=name, rounds=rounds, iterations=iterations)
    sys.settrace(None)
    sys.setprofile(None)
    gc.collect()
    gc.disable()
    try:
        while (request := line.hear())["do"] != "finish":
            if request["do"] == "calibrate":
                _stay_on(request["cores"])
                if seconds := calibrate():
                    calibrated(seconds)
                line.say(seconds=seconds)
                continue
            warm_up(request["calls"])
            waited, used = _waited(), time.process_time()
            seconds = run(request["calls"], request["spin"])
            waited, used = _waited() - waited, time.process_time() - used
            sliced(request["calls"], seconds)
            line.say(seconds=seconds, waited=max(0.0, waited), used=used)
    finally:
        _stay_on(free)
        if was_collecting:
            gc.enable()
        sys.setprofile(profiler)
        sys.settrace(tracer)


def _calibrate(run: Run) -> float:
    calls = 1
    run(1, 0.0)
    while (seconds := run(calls, 0.0)) < _MIN_CALIBRATION:
        calls = max(calls + 1, min(calls * 10, int(calls * 1.3 * _MIN_CALIBRATION / max(seconds, 1e-9))))
    return seconds / calls


def _warm_up(run: Run, calls: int) -> None:
    run(max(1, int(calls * _WARM_UP_SHARE)), 0.0)


def spin_for(seconds: float) -> None:
    """A slowdown of this length, all at once: asking the clock in every call would slow short calls by more."""
    until = time.perf_counter() + seconds
    while seconds and time.perf_counter() < until:
        pass


def machine(*packages: str) -> dict[str, object]:
    """What must be the same in all processes that are compared, the versions of these packages among it."""
    cpu = ""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    versions = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "cpu": cpu or platform.processor() or "unknown",
        "architecture": platform.machine(),
        "logical_cores": os.cpu_count() or 0,
        "system": platform.system(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        **versions,
    }


def _waited() -> float:
    """Seconds that this thread was ready to run while another process had its core; 0 where the system does not tell.

    Only differences mean something. Threads of the case's own take the core too, and are no excuse: what they used is
    taken off.
    """
    with suppress(OSError, ValueError, IndexError):
        waited = int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
        return waited - (time.process_time() - time.thread_time())
    return 0.0


def _allowed_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _stay_on(cores: list[int]) -> None:
    """Keep all threads of this process on these cores; nothing where the system cannot, or none are named."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread may end meanwhile
            os.sched_setaffinity(int(thread.name), cores)
