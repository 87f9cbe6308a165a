"""The pytest plugin of a gate's worker: the `benchmark` fixture measures slice by slice, when the driver says so.

A copy of this file is loaded into an ordinary pytest run on each tree, base and head. So it imports pytest,
pytest-benchmark and the standard library only: pricebench may be absent there, or another version.

It talks in JSON lines over a socket whose descriptor stands in the environment, and does nothing without being asked:

    worker                                         driver
    {"collected": [...], "machine": {...}}         {"run": [ids, in order]}
    {"reached": id, "rounds": null or n, ...}      {"do": "calibrate", "cores": [n]}
    {"seconds": per call}                          {"do": "slice", "calls": n, "spin": seconds per call}
    {"seconds": of the slice, "waited": ...}       ... {"do": "finish"}
    {"ended": id, "outcome": ..., "reason": ...}   after each test, whether it reached its benchmark or not; instead of
                                                   any answer when the test raised
    {"finished": status, "modules": {...}}         nothing: the process ends
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
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

SOCKET = "PRICEBENCH_GATE_SOCKET"
_MIN_CALIBRATION = 0.005  # seconds; the clock is then good to one part in ten thousand
_WARM_UP_SHARE = 0.1  # of a slice's calls, made before it and not timed: the caches are the other arm's until then


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:  # noqa: ARG001
    """Connect before anything of the suite is imported: what happens from here on reaches the driver."""
    if SOCKET not in os.environ:
        raise pytest.UsageError(f"{__name__} is started by pricebench's gate, which sets {SOCKET}.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Measure and store nothing on pytest-benchmark's own account, whatever the suite's settings say."""
    for name in ("skip", "disable", "save", "autosave", "json", "compare", "histogram", "cprofile", "csv"):
        if hasattr(config.option, f"benchmark_{name}"):
            setattr(config.option, f"benchmark_{name}", None)
    config.option.benchmark_enable = True
    config.option.benchmark_compare_fail = []
    # Registered here, after pytest-benchmark: of two plugins' fixtures the later one is taken.
    config.pluginmanager.register(Worker(_Line(int(os.environ[SOCKET]))), "pricebench-gate-worker")


class _Line:
    """The worker's end of the socket."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the call has no keyword
        connection = socket.socket(fileno=descriptor)
        self._reader = connection.makefile("r", encoding="utf-8")
        self._writer = connection.makefile("w", encoding="utf-8")

    def say(self, **facts: object) -> None:
        try:
            self._writer.write(json.dumps(facts) + "\n")
            self._writer.flush()
        except BrokenPipeError:
            os._exit(3)  # nobody is there to be told

    def hear(self) -> dict[str, Any]:
        line = self._reader.readline()
        if not line:
            os._exit(3)
        request: dict[str, Any] = json.loads(line)
        return request


class Worker:
    """Runs the benchmarks that the driver names, in its order, and reports each one's end."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._reasons: dict[str, tuple[str, str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell what there is, and keep what is asked for."""
        found = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        self._line.say(collected=list(found), machine=_machine())
        session.items[:] = [found[name] for name in self._line.hear()["run"]]

    @pytest.fixture
    def benchmark(self, benchmark: BenchmarkFixture) -> BenchmarkFixture:
        """pytest-benchmark's own fixture, with all that it is and offers, that measures in another way."""
        benchmark.__class__ = LockstepFixture
        benchmark.line = self._line  # type: ignore[attr-defined]
        benchmark.disabled = False
        benchmark._add_stats = lambda _: None  # noqa: SLF001 - nothing is to be stored
        return benchmark

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what went wrong, or was skipped, in any phase of a test."""
        if not report.passed and report.nodeid not in self._reasons:
            self._reasons[report.nodeid] = (report.outcome, _reason(report))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over, its fixtures too."""
        outcome, reason = self._reasons.get(nodeid, ("passed", ""))
        self._line.say(ended=nodeid, outcome=outcome, reason=reason)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Say which modules were used from where: code of another tree would make the comparison worthless."""
        self._line.say(finished=int(exitstatus), modules=_modules())


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or "")
    # pytest marks the lines that say what failed with an E.
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    lines = marked or [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else report.outcome


def _modules() -> dict[str, str]:
    found = {}
    for name, module in list(sys.modules.items()):
        with suppress(Exception):  # some modules answer every attribute, or raise
            file = getattr(module, "__file__", None)
            if isinstance(file, str):
                found[name] = file
    return found


def _machine() -> dict[str, object]:
    """What must be the same in all processes that are compared."""
    cpu = ""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    versions = {}
    for name in ("torch", "numpy", "pytest-benchmark"):
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


class LockstepFixture(BenchmarkFixture):
    """`benchmark` that asks the driver what to do, where pytest-benchmark would calibrate and run its rounds."""

    line: _Line

    def _raw(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        timer = self._timer

        def run(calls: int, spin: float) -> float:
            repeat = itertools.repeat(None, calls)
            start = timer()
            for _ in repeat:
                function_to_benchmark(*args, **kwargs)
            _spin(spin * calls)
            return float(timer() - start)

        def warm_up(calls: int) -> None:
            run(max(1, int(calls * _WARM_UP_SHARE)), 0.0)

        def calibrate() -> float:
            calls = 1
            run(1, 0.0)
            while (seconds := run(calls, 0.0)) < _MIN_CALIBRATION:
                calls = max(calls + 1, min(calls * 10, int(calls * 1.3 * _MIN_CALIBRATION / max(seconds, 1e-9))))
            return seconds / calls

        self._serve(calibrate, warm_up, run)
        # As pytest-benchmark does: the result is that of a call of its own.
        return function_to_benchmark(*args, **kwargs)

    def _raw_pedantic(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> Any:
        """Never more rounds than the test asked for: its `setup` may hand out what there is only so much of."""
        if rounds < 1 or iterations < 1 or warmup_rounds < 0 or (iterations > 1 and setup):
            refuse: Any = super()._raw_pedantic  # with its own words
            return refuse(target, args, kwargs, setup, teardown, rounds, warmup_rounds, iterations)
        timer, result = self._timer, None
        has_arguments = bool(args or kwargs)

        def arguments() -> tuple[Any, Any]:
            made = setup() if setup else None
            if made and has_arguments:
                raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
            return made or (args, kwargs or {})

        def one_round(spin: float) -> float:
            nonlocal result
            given, named = arguments()
            start = timer()
            for _ in itertools.repeat(None, iterations):
                result = target(*given, **named)
            _spin(spin * iterations)
            seconds = float(timer() - start)
            if teardown is not None:
                teardown(*given, **named)
            return seconds

        def run(calls: int, spin: float) -> float:
            return sum(one_round(spin) for _ in range(calls)) / iterations

        def calibrate() -> float:
            return sum(one_round(0.0) for _ in range(warmup_rounds)) / max(1, warmup_rounds * iterations)

        self._serve(calibrate, lambda _: None, run, rounds=rounds, iterations=iterations)
        return result

    def _serve(
        self,
        calibrate: Callable[[], float],
        warm_up: Callable[[int], None],
        run: Callable[[int, float], float],
        *,
        rounds: int | None = None,
        iterations: int = 1,
    ) -> None:
        """Do what the driver says until it says finish."""
        tracer, profiler, was_collecting = sys.gettrace(), sys.getprofile(), gc.isenabled()
        free = _allowed_cores()
        # Assertions on `benchmark.stats` are the suite's own affair, and it must be there for them.
        make_stats: Any = self._make_stats
        stats: Any = None
        self.line.say(reached=self.fullname, rounds=rounds, iterations=iterations)
        sys.settrace(None)
        sys.setprofile(None)
        gc.collect()
        gc.disable()
        try:
            while (request := self.line.hear())["do"] != "finish":
                if request["do"] == "calibrate":
                    _stay_on(request["cores"])
                    if seconds := calibrate():
                        make_stats(1).update(seconds)
                    self.line.say(seconds=seconds)
                    continue
                warm_up(request["calls"])
                waited, used = _waited(), time.process_time()
                seconds = run(request["calls"], request["spin"])
                waited, used = _waited() - waited, time.process_time() - used
                stats = stats or make_stats(request["calls"])
                stats.update(seconds)
                self.line.say(seconds=seconds, waited=max(0.0, waited), used=used)
            if self.stats is None:
                # Another arm failed, so nothing was measured; the test's own assertions want stats and a result.
                make_stats(1).update(run(1, 0.0))
        finally:
            _stay_on(free)
            if was_collecting:
                gc.enable()
            sys.setprofile(profiler)
            sys.settrace(tracer)


def _spin(seconds: float) -> None:
    """A slowdown of this length, all at once: asking the clock in every call would slow short calls by more."""
    until = time.perf_counter() + seconds
    while seconds and time.perf_counter() < until:
        pass


def _waited() -> float:
    """Seconds that this thread was ready to run while another process had its core; 0 where the system does not tell.

    Only differences mean something. Threads of the suite's own take the core too, and are no excuse: what they used is
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
