"""What all workers have counted, as text for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pricebench.server.counters import ENDPOINTS, ROWS, SECONDS, STATUSES, Counters

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_COUNTS = {
    "houses": ("pricebench_houses", "Rows that the model priced."),
    "batches": ("pricebench_batches", "Calls of the model."),
    "batch_seconds": ("pricebench_batch_seconds", "Time in the model."),
    "compilations": ("pricebench_compilations", "Graphs compiled while serving: any but zero is a fault."),
    "reloads": ("pricebench_reloads", "Models that took the place of another."),
    "refused_reloads": ("pricebench_refused_reloads", "Models that were refused."),
    "restarts": ("pricebench_worker_restarts", "Workers that died and were replaced."),
    "refused_connections": ("pricebench_refused_connections", "Connections beyond the most that may be."),
}
_GAUGES = {
    "is_ready": ("pricebench_ready_workers", "Workers that have checked their model."),
    "connections": ("pricebench_connections", "Open connections."),
    "waiting_rows": ("pricebench_waiting_rows", "Rows in the queues."),
}


class _Board(Collector):
    """All processes together; a worker that takes a dead one's place goes on with its counts."""

    def __init__(self, processes: Sequence[Counters], model: str, mode: str) -> None:
        self._processes = processes
        self._model = model
        self._mode = mode

    def collect(self) -> Iterator[Metric]:
        everyone = self._processes
        requests = CounterMetricFamily("pricebench_requests", "Answered requests.", labels=["endpoint", "status"])
        latency = HistogramMetricFamily(
            "pricebench_request_seconds", "From a request's first byte to its answer.", labels=["endpoint"]
        )
        for endpoint in ENDPOINTS:
            for status in STATUSES:
                if number := sum(each.requests(endpoint, status) for each in everyone):
                    requests.add_metric([endpoint, str(status)], number)
            latency.add_metric([endpoint], *_histogram(SECONDS, [each.latency(endpoint) for each in everyone]))
        rows = HistogramMetricFamily("pricebench_batch_rows", "Rows in a call of the model.")
        rows.add_metric([], *_histogram(ROWS, [each.batch_rows() for each in everyone]))
        yield from (requests, latency, rows)
        for key, (name, text) in _COUNTS.items():
            yield CounterMetricFamily(name, text, value=sum(each.get(key) for each in everyone))
        for key, (name, text) in _GAUGES.items():
            yield GaugeMetricFamily(name, text, value=sum(each.get(key) for each in everyone))
        workers = GaugeMetricFamily("pricebench_worker", "Who answers.", labels=["worker", "pid", "core", "threads"])
        for number, each in enumerate(everyone):
            if each.get("threads"):
                facts = [str(int(each.get(name))) for name in ("pid", "core", "threads")]
                workers.add_metric([str(number), *facts], 1.0)
        model = GaugeMetricFamily("pricebench_model", "What prices.", labels=["model", "mode"])
        model.add_metric([self._model, self._mode], 1.0)
        yield from (workers, model)


def text(processes: Sequence[Counters], *, model: str, mode: str) -> bytes:
    """The page that Prometheus reads.

    Args:
        processes: Everyone who counts.
        model: Digest of the one that serves, or empty.
        mode: Execution mode.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Board(processes, model, mode))
    return generate_latest(registry)


def _histogram(
    bounds: Iterable[float], counted: Sequence[tuple[list[float], float]]
) -> tuple[list[tuple[str, float]], float]:
    """Prometheus counts what is up to each bound, and ours what is between two."""
    between = [sum(numbers) for numbers in zip(*(each for each, _ in counted), strict=True)]
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(between), strict=True)), sum(total for _, total in counted)
