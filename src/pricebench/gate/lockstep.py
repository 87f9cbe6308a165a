"""The pytest plugin of a gate's worker: the `benchmark` fixture measures slice by slice, when the driver says so.

A copy of this file is loaded into an ordinary pytest run on each tree, base and head. So it imports pytest,
pytest-benchmark, the standard library and the copy of `paired.answering` beside it only: pricebench may be absent
there, or another version. What it says and hears stands in `paired.answering`; its last line also names the files of
all modules, and its first one what could not be collected:

    {"collected": [...], "machine": {...}, "uncollected": {id of a file: [outcome, reason]}}
    {"finished": status, "modules": {name: file}, "folders": [of its environment], "plugins": [names of modules]}
"""

from __future__ import annotations

import itertools
import os
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

if TYPE_CHECKING:
    from pricebench.paired import answering
else:
    try:
        import pricebench_answering as answering
    except ModuleNotFoundError:  # read as a part of pricebench, not run by a worker
        from pricebench.paired import answering


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:  # noqa: ARG001
    """Connect before anything of the suite is imported: what happens from here on reaches the driver."""
    if answering.SOCKET not in os.environ:
        raise pytest.UsageError(f"{__name__} is started by pricebench's gate, which sets {answering.SOCKET}.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Measure and store nothing on pytest-benchmark's own account, whatever the suite's settings say."""
    for name in ("skip", "disable", "save", "autosave", "json", "compare", "histogram", "cprofile", "csv"):
        if hasattr(config.option, f"benchmark_{name}"):
            setattr(config.option, f"benchmark_{name}", None)
    config.option.benchmark_enable = True
    config.option.benchmark_compare_fail = []
    # What can be collected is measured; the driver is told of the rest, and lets none of it pass.
    config.option.continue_on_collection_errors = True
    # Registered here, after pytest-benchmark: of two plugins' fixtures the later one is taken.
    config.pluginmanager.register(Worker(answering.Line.of_environment()), "pricebench-gate-worker")


class Worker:
    """Runs the benchmarks that the driver names, in its order, and reports each one's end."""

    def __init__(self, line: answering.Line) -> None:
        self._line = line
        self._reasons: dict[str, tuple[str, str]] = {}
        self._uncollected: dict[str, tuple[str, str]] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember which files could not be imported, or did not want to be."""
        if not report.passed:
            self._uncollected[report.nodeid] = (report.outcome, _reason(report))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell what there is, and keep what is asked for."""
        found = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        machine = answering.machine("torch", "numpy", "pytest-benchmark")
        self._line.say(collected=list(found), machine=machine, uncollected=self._uncollected)
        wanted = self._line.hear()["run"]
        if lost := [name for name in wanted if name not in found]:
            reasons = "; ".join(f"{name}: {reason}" for name, (_, reason) in self._uncollected.items())
            raise pytest.UsageError(f"{lost[0]} was there and is not any more ({reasons or 'no reason given'})")
        session.items[:] = [found[name] for name in wanted]

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
        self._line.say(finished=int(exitstatus), modules=_modules(), folders=_folders(), plugins=_plugins())


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or "")
    # pytest marks the lines that say what failed with an E.
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    if isinstance(report, pytest.CollectReport):
        marked = marked[-1:]  # of a syntax error the first says only where
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


def _folders() -> list[str]:
    """Where this environment's own modules lie."""
    names = ("purelib", "platlib", "stdlib", "platstdlib")
    linked = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys([*map(sysconfig.get_path, names), *linked]))


def _plugins() -> list[str]:
    """Modules of distributions that have a pytest plugin."""
    found = set()
    for distribution in metadata.distributions():
        if any(entry.group == "pytest11" for entry in distribution.entry_points):
            found |= {file.parts[0].partition(".")[0] for file in distribution.files or ()}
    return sorted(found)


class LockstepFixture(BenchmarkFixture):
    """`benchmark` that asks the driver what to do, where pytest-benchmark would calibrate and run its rounds."""

    line: answering.Line

    def _raw(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._serve(answering.timed(function_to_benchmark, args, kwargs, timer=self._timer))
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
            answering.spin_for(spin * iterations)
            seconds = float(timer() - start)
            if teardown is not None:
                teardown(*given, **named)
            return seconds

        def run(calls: int, spin: float) -> float:
            return sum(one_round(spin) for _ in range(calls)) / iterations

        def calibrate() -> float:
            return sum(one_round(0.0) for _ in range(warmup_rounds)) / max(1, warmup_rounds * iterations)

        # Each call costs one of the rounds: none for warming up but those that the test itself asks for.
        self._serve(run, calibrate=calibrate, warm_up=lambda _: None, rounds=rounds, iterations=iterations)
        return result

    def _serve(self, run: answering.Run, **how: Any) -> None:
        """Do what the driver says. `benchmark.stats` is there afterwards: the suite may assert something of it."""
        make_stats: Any = self._make_stats
        stats: Any = None

        def sliced(calls: int, seconds: float) -> None:
            nonlocal stats
            stats = stats or make_stats(calls)
            stats.update(seconds)

        answering.answer(
            self.line,
            self.fullname,
            run,
            calibrated=lambda seconds: make_stats(1).update(seconds),
            sliced=sliced,
            **how,
        )
        if self.stats is None:
            # Another arm failed, so nothing was measured; the test's own assertions want stats and a result.
            make_stats(1).update(run(1, 0.0))
