"""What a price server's `/metrics` say: readings one after another, and what happened between two of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from prometheus_client.parser import text_string_to_metric_families

from pricebench.dashboard.histogram import Histogram
from pricebench.errors import PricebenchError
from pricebench.units import Second

WINDOW: Second = 30.0
"""Rates and percentiles are of this time."""
SHOWN: Second = 120.0
"""Readings older than this are forgotten."""
LEVELS = (0.5, 0.9, 0.99)

_PRICED = ("price", "infer")  # endpoints; others are health, metrics and documents
_ONCE = {
    "num_batches": "pricebench_batches_total",
    "num_compilations": "pricebench_compilations_total",
    "num_restarts": "pricebench_worker_restarts_total",
    "num_ready": "pricebench_ready_workers",
    "num_connections": "pricebench_connections",
    "num_waiting": "pricebench_waiting_rows",
}


class MetricsError(PricebenchError):
    """A text is not what one of our servers counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a server said at a moment.

    Attributes:
        at: When, by the reader's clock.
        num_refused: Requests that were answered with an error, ever.
        latency: Seconds of requests for prices.
        batch_rows: Rows of calls of the model.
        num_batches: Calls of the model, ever.
        num_compilations: While serving, ever.
        num_restarts: Of workers, ever.
        num_ready: Workers that serve.
        num_connections: Open ones.
        num_waiting: Rows in the queues.
        model: Digest of the model.
        mode: That it runs in.
    """

    at: Second
    num_refused: float
    latency: Histogram
    batch_rows: Histogram
    num_batches: float
    num_compilations: float
    num_restarts: float
    num_ready: float
    num_connections: float
    num_waiting: float
    model: str
    mode: str

    @classmethod
    def from_text(cls, text: str, *, at: Second) -> Reading:
        """Read the page.

        Raises:
            MetricsError: It is no such page, or of another server.
        """
        try:
            families = {family.name: family.samples for family in text_string_to_metric_families(text)}
            single = {sample.name: float(sample.value) for samples in families.values() for sample in samples}
            facts = families["pricebench_model"][0].labels
            return cls(
                at=at,
                num_refused=sum(
                    float(each.value) for each in families["pricebench_requests"] if int(each.labels["status"]) >= 400
                ),
                latency=Histogram.of_samples(
                    each for each in families["pricebench_request_seconds"] if each.labels["endpoint"] in _PRICED
                ),
                batch_rows=Histogram.of_samples(families["pricebench_batch_rows"]),
                model=facts["model"],
                mode=facts["mode"],
                **{name: single[key] for name, key in _ONCE.items()},
            )
        # A text of anybody's: the parser counts on every line to be what it should.
        except (ArithmeticError, LookupError, ValueError) as error:
            raise MetricsError(
                f"expected the metrics of a pricebench serve, found another text ({type(error).__name__}). Is it one?"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What happened between two readings.

    Attributes:
        seconds: From one to the other.
        per_second: Answered requests for prices.
        num_refused: Requests that were answered with an error.
        latency: Seconds of requests for prices.
        batch_rows: Rows of calls of the model.
    """

    seconds: Second
    per_second: float
    num_refused: float
    latency: Histogram
    batch_rows: Histogram

    @classmethod
    def of(cls, older: Reading, newer: Reading) -> Between:
        """Subtract."""
        latency, seconds = newer.latency.since(older.latency), newer.at - older.at
        return cls(
            seconds=seconds,
            per_second=latency.num_values / seconds,
            num_refused=newer.num_refused - older.num_refused,
            latency=latency,
            batch_rows=newer.batch_rows.since(older.batch_rows),
        )


class Live:
    """The readings of the last two minutes, of one life of a server."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque()

    def add(self, reading: Reading) -> None:
        """Take one that is newer than the others; a server that began anew counts from zero, and so does this."""
        if self._readings and not _goes_on(self._readings[-1], reading):
            self._readings.clear()
        if self._readings and reading.at <= self._readings[-1].at:
            return
        self._readings.append(reading)
        while reading.at - self._readings[0].at > SHOWN:
            self._readings.popleft()

    @property
    def newest(self) -> Reading | None:
        """The last one."""
        return self._readings[-1] if self._readings else None

    def lately(self) -> Between | None:
        """What happened in the last half minute, or as much of it as was read; None before the second reading."""
        if len(self._readings) < 2:
            return None
        newest = self._readings[-1]
        since = next(each for each in self._readings if newest.at - each.at <= WINDOW)
        # After a pause even the last one but one may be older.
        return Between.of(self._readings[-2] if since is newest else since, newest)

    def frame(self) -> pd.DataFrame:
        """`ago` (seconds, negative), `per_second`, and `p50`, `p90`, `p99` (NaN where nothing was asked) by reading."""
        newest = self._readings[-1].at if self._readings else 0.0
        rows: list[dict[str, float | None]] = []
        for older, newer in pairwise(self._readings):
            between = Between.of(older, newer)
            percentiles = {f"p{level * 100:g}": between.latency.quantile(level) for level in LEVELS}
            rows.append({"ago": newer.at - newest, "per_second": between.per_second, **percentiles})
        columns = ["ago", "per_second", *(f"p{level * 100:g}" for level in LEVELS)]
        return pd.DataFrame(rows, columns=columns, dtype=float)


def batches_frame(rows: Histogram) -> pd.DataFrame:
    """`rows` ("1", "2", "3 to 4", ...) and `batches`, for all sizes up to the largest that was there."""
    found = list(rows.between())
    while found and not found[-1][2]:
        found.pop()
    return pd.DataFrame(
        [(_sizes(low, high), batches) for low, high, batches in found], columns=["rows", "batches"]
    ).astype({"batches": float})


def _sizes(low: float, high: float) -> str:
    if high == math.inf:
        return f"above {low:,.0f}"
    return f"{high:,.0f}" if high - low <= 1 else f"{low + 1:,.0f} to {high:,.0f}"


def _goes_on(older: Reading, newer: Reading) -> bool:
    if (older.latency.bounds, older.batch_rows.bounds) != (newer.latency.bounds, newer.batch_rows.bounds):
        return False
    counted = _counted(older), _counted(newer)
    return all(new >= old for old, new in zip(*counted, strict=True))


def _counted(reading: Reading) -> Sequence[float]:
    return (
        *reading.latency.counts,
        *reading.batch_rows.counts,
        reading.num_refused,
        reading.num_batches,
        reading.num_compilations,
        reading.num_restarts,
    )
