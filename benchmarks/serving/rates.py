"""The highest rate that each server holds, and latencies at the same rates: the servers take turns, probe by probe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.serving.desk import Desk
from benchmarks.serving.lineup import Contender, why_missing
from benchmarks.serving.processes import NotServingError, Serving
from pricebench.traffic.analysis import at_rate, half_of_ours
from pricebench.traffic.records import Purpose, Report, Traffic
from pricebench.traffic.search import FIRST, PRECISION, next_step
from pricebench.traffic.table import per_second
from pricebench.units import Second, format_duration

FIXED = {Traffic.ONE: (500.0, 2000.0, 6000.0), Traffic.MIXED: (125.0, 500.0, 1500.0)}


def measure(
    desk: Desk,
    report: Report,
    contenders: Sequence[Contender],
    *,
    save: Callable[[Report], None],
    traffics: Sequence[Traffic] = tuple(Traffic),
    precision: float = PRECISION,
    budget: Second | None = None,
) -> Report:
    """Go on with a report until all is known, or the time is up; it is saved after each probe.

    Args:
        desk: Starts and asks.
        report: What is known already.
        contenders: Who is asked.
        save: Is given each report.
        traffics: What is asked.
        precision: Of the highest rates.
        budget: After which no search is begun anew.
    """
    end = None if budget is None else time.monotonic() + budget
    with ExitStack() as stack:
        running: dict[str, tuple[Contender, Serving]] = {}
        facts = []
        for contender in contenders:
            missing = why_missing(contender)
            if not missing:
                try:
                    serving = stack.enter_context(desk.started(contender))
                    serving.settle()
                    serving.suspend()
                    running[contender.name] = contender, serving
                except NotServingError as error:
                    missing = f"it does not serve: {error}"
            say(f"{contender.name}: {missing or 'ready'}")
            facts.append(replace(contender.server, missing=missing))
        # Whoever names a few servers adds to what is known of the others.
        found = {each.name: each for each in [*report.servers, *facts]}
        report = replace(report, servers=tuple(found.values()))
        turn = _Turn(desk, save)
        report = _search(turn, report, running, traffics, precision, end)
        report = _at_fixed_rates(turn, report, running, traffics)
        return replace(report, is_complete=_is_known(report, traffics, precision))


def _is_known(report: Report, traffics: Sequence[Traffic], precision: float) -> bool:
    """Whether nothing is left to search for, of any server that runs here."""
    names = [each.name for each in report.servers if not each.missing]
    steps = (
        next_step(report.of(name, each), first=FIRST[each], precision=precision) for name in names for each in traffics
    )
    return not any(steps)


def _search(
    turn: _Turn,
    report: Report,
    running: dict[str, tuple[Contender, Serving]],
    traffics: Sequence[Traffic],
    precision: float,
    end: Second | None,
) -> Report:
    """Probe until nothing is left to search for, or the time is over."""
    round_ = max((probe.round for probe in report.probes), default=0)
    settings = turn.desk.settings
    is_going_on = True
    while is_going_on:
        is_going_on = False
        round_ += 1
        for traffic in traffics:
            for name, started in running.items():
                step = next_step(report.of(name, traffic), first=FIRST[traffic], precision=precision)
                if step is None:
                    continue
                if end is not None and time.monotonic() > end:
                    say("the budget is used up: no more is searched for; start again to go on.")
                    return report
                is_going_on = True
                seconds = settings.confirm if step.purpose is Purpose.CONFIRM else settings.step
                report = turn.take(report, started, traffic, step.purpose, step.rate, seconds, round_)
    return report


def _at_fixed_rates(
    turn: _Turn, report: Report, running: dict[str, tuple[Contender, Serving]], traffics: Sequence[Traffic]
) -> Report:
    seconds = turn.desk.settings.step
    for traffic in traffics:
        half = half_of_ours(report, traffic)
        for rate in sorted({*FIXED[traffic], *([half] if half else [])}):
            for name, started in running.items():
                if at_rate(report, name, traffic, rate) is None:
                    report = turn.take(report, started, traffic, Purpose.FIXED, rate, seconds, 0)
    return report


class _Turn:
    """A probe while all other servers are suspended."""

    def __init__(self, desk: Desk, save: Callable[[Report], None]) -> None:
        self.desk = desk
        self._save = save

    def take(
        self,
        report: Report,
        running: tuple[Contender, Serving],
        traffic: Traffic,
        purpose: Purpose,
        rate: float,
        seconds: Second,
        round_: int,
    ) -> Report:
        contender, serving = running
        serving.resume()
        try:
            probe = self.desk.probe(
                contender, serving, traffic, purpose=purpose, rate=rate, seconds=seconds, round_=round_
            )
            serving.settle()
        finally:
            serving.suspend()
        report = report.with_probe(probe)
        self._save(report)
        say(
            f"{contender.name}, {traffic}, {purpose}: {per_second(rate)}/s, p99 {format_duration(probe.latency.p99)}, "
            f"{probe.num_errors} errors{', held' if probe.is_held else ''}"
        )
        return report


def say(words: str) -> None:
    """Tell who watches."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
