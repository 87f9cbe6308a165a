"""What friends get while something breaks: workers are killed, or the server is told to end, under load."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving.desk import Desk
from benchmarks.serving.endings import NO_ANSWER, REFUSED, RESET
from benchmarks.serving.lineup import ours
from benchmarks.serving.metrics import Metrics
from benchmarks.serving.processes import NotServingError, Serving
from benchmarks.serving.rates import say
from pricebench.traffic.records import Traffic, Trial
from pricebench.traffic.table import counts
from pricebench.units import Second

_WORKERS = 2
_SECONDS: Second = 60.0  # a new worker imports torch on the core that is under load
_BEFORE: Second = 2.0  # of load, before something happens
_WITHIN: Second = 60.0
_LOOK: Second = 0.05


def faults(desk: Desk, mode: str, *, rate: float) -> tuple[Trial, ...]:
    """Both of them, each with a server of its own, at a rate."""
    found = (_kills(desk, mode, rate), _end(desk, mode, rate))
    for trial in found:
        say(f"{trial.what}: the client saw {counts(trial.client)}; the server counted {counts(trial.server)}")
    return found


def _kills(desk: Desk, mode: str, rate: float) -> Trial:
    contender = ours(mode, str(desk.settings.artifacts), "--workers", str(_WORKERS))
    with desk.started(contender) as serving:
        before = _look(serving, lambda found: found.num_ready == _WORKERS)
        client = desk.client(contender, serving, Traffic.ONE, rate=rate, seconds=_SECONDS, warm=False)
        for number in range(_WORKERS):
            asked = Metrics.of(serving).priced["200"]
            _look(serving, lambda found, asked=asked: found.priced["200"] > asked + rate * _BEFORE)  # type: ignore[misc]
            os.kill(Metrics.of(serving).workers[number], signal.SIGKILL)
            died = before.restarts + number + 1
            _look(serving, lambda found, died=died: found.restarts >= died and found.num_ready == _WORKERS)  # type: ignore[misc]
        found = desk.found(client)
        after = Metrics.of(serving)
    statuses = found["statuses"]
    server = after.priced - before.priced
    server["503"] += after.refused - before.refused
    findings = _lost(found["num"], statuses)
    if reset := statuses.get(RESET, 0) + statuses.get(REFUSED, 0):
        findings.append(f"{reset} requests lost their connection, expected a 503 each")
    return Trial(
        what="kill -9 of one worker, then of the other",
        num=found["num"],
        client=statuses,
        server={status: number for status, number in server.items() if number},
        restarts=after.restarts - before.restarts,
        findings=tuple(findings),
    )


def _end(desk: Desk, mode: str, rate: float) -> Trial:
    with TemporaryDirectory() as folder:
        log = Path(folder) / "requests.jsonl"
        options = ("--workers", str(_WORKERS), "--log", str(log))
        contender = ours(mode, str(desk.settings.artifacts), *options)
        with desk.started(contender) as serving:
            _look(serving, lambda found: found.num_ready == _WORKERS)
            client = desk.client(contender, serving, Traffic.ONE, rate=rate, seconds=2 * _BEFORE, warm=False)
            _look(serving, lambda found: found.priced["200"] > rate * _BEFORE)
            serving.process.terminate()
            found = desk.found(client)
            exit_status = serving.process.wait(timeout=_WITHIN)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    statuses = found["statuses"]
    server = Counter(str(line["status"]) for line in lines if line["path"] == "/v1/price")
    # The server was asked once more than by the client: whether it is ready is no price.
    findings = _lost(found["num"], statuses)
    if server["200"] != statuses.get("200", 0):
        findings.append(f"the server answered {server['200']} with a price, the client got {statuses.get('200', 0)}")
    if exit_status:
        findings.append(f"the server ended with status {exit_status}, expected 0")
    return Trial(
        what="SIGTERM",
        num=found["num"],
        client=statuses,
        server=dict(server),
        restarts=0,
        findings=tuple(findings),
    )


def _lost(num: int, statuses: Mapping[str, int]) -> list[str]:
    """Sentences about requests of which nobody knows what became of them."""
    found = []
    if num != sum(statuses.values()):
        found.append(f"{num - sum(statuses.values())} requests are not accounted for")
    if lost := statuses.get(NO_ANSWER, 0):
        found.append(f"{lost} requests got no answer and no end of their connection")
    known = {"200", "503", RESET, REFUSED, NO_ANSWER}
    return found + [f"{number} times {status}" for status, number in statuses.items() if status not in known]


def _look(serving: Serving, is_so: Callable[[Metrics], bool]) -> Metrics:
    """Ask for the metrics until they say so."""
    end = time.monotonic() + _WITHIN
    while not is_so(found := Metrics.of(serving)):
        if time.monotonic() > end:
            raise NotServingError(f"the metrics never said so within {_WITHIN:.0f} s; the last were {found}.")
        time.sleep(_LOOK)
    return found
