"""Our server at one rate for minutes: errors, compilations, and memory of all its processes."""

from __future__ import annotations

import threading
import time
from collections import Counter

from benchmarks.serving.desk import Desk
from benchmarks.serving.lineup import Contender
from benchmarks.serving.metrics import Metrics
from benchmarks.serving.rates import say
from pricebench.traffic.records import Purpose, Soak, Traffic
from pricebench.traffic.table import counts, per_second
from pricebench.units import Byte, Second, format_duration

SHARE = 0.7
"""Of the highest rate."""

# The client keeps each request in memory until a part ends, and tells percentiles then.
_PART: Second = 60.0
_BETWEEN_READINGS: Second = 5.0


def soak(desk: Desk, contender: Contender, *, rate: float, seconds: Second) -> Soak:
    """Ask for one house at a time, at a rate, for so long."""
    statuses: Counter[str] = Counter()
    p99: list[Second] = []
    num_wrong = 0
    with desk.started(contender) as serving:
        before = Metrics.of(serving)
        started = time.monotonic()
        readings: list[tuple[Second, Byte]] = []
        is_over = threading.Event()

        def read() -> None:
            while True:
                readings.append((time.monotonic() - started, serving.resident()))
                if is_over.wait(_BETWEEN_READINGS):
                    return

        reader = threading.Thread(target=read)
        reader.start()
        try:
            while (left := seconds - (time.monotonic() - started)) > 1.0:
                probe = desk.probe(
                    contender,
                    serving,
                    Traffic.ONE,
                    purpose=Purpose.FIXED,
                    rate=rate,
                    seconds=min(_PART, left),
                )
                statuses.update(probe.statuses)
                p99.append(probe.latency.p99)
                num_wrong += probe.num_wrong
                say(f"soak at {per_second(rate)}/s: p99 {format_duration(probe.latency.p99)}, {counts(probe.statuses)}")
        finally:
            is_over.set()
            reader.join()
        took = time.monotonic() - started
        compilations = Metrics.of(serving).compilations - before.compilations
    return Soak(
        server=contender.name,
        rate=rate,
        seconds=took,
        statuses=dict(statuses),
        p99=tuple(p99),
        num_wrong=num_wrong,
        compilations=compilations,
        times=tuple(time for time, _ in readings),
        resident=tuple(size for _, size in readings),
    )
