"""What a worker counts, each number in a place of its own in shared memory, so that any worker can show all of them.

Counting costs a tenth of a microsecond; `metrics` makes the text of it.
"""

from __future__ import annotations

from bisect import bisect_left

from pricebench.units import Second

ENDPOINTS = ("price", "infer", "other")
STATUSES = (200, 400, 401, 404, 405, 408, 413, 415, 421, 422, 431, 500, 503, 504)
SECONDS = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)

# Counts that are one number each, and then what a process is and does right now.
COUNTS = (
    "houses",
    "batches",
    "batch_seconds",
    "compilations",
    "reloads",
    "refused_reloads",
    "restarts",
    "refused_connections",
)
STATES = ("pid", "core", "threads", "is_ready", "connections", "waiting_rows", "beats")

_REQUESTS = 0
_LATENCY = _REQUESTS + len(ENDPOINTS) * len(STATUSES)
_PER_LATENCY = len(SECONDS) + 2  # beyond the last bound, and the sum
_BATCH_ROWS = _LATENCY + len(ENDPOINTS) * _PER_LATENCY
_SINGLE = _BATCH_ROWS + len(ROWS) + 2
NUMBERS = _SINGLE + len(COUNTS) + len(STATES)

_PLACE = {name: _SINGLE + index for index, name in enumerate(COUNTS + STATES)}
_STATUS = {status: index for index, status in enumerate(STATUSES)}
_ENDPOINT = {name: index for index, name in enumerate(ENDPOINTS)}


class Counters:
    """The numbers of one process."""

    def __init__(self, numbers: memoryview[float]) -> None:
        """Go on from what stands there.

        Args:
            numbers: Float64, `NUMBERS` of them.
        """
        self._numbers = numbers

    def request(self, endpoint: str, status: int, seconds: Second) -> None:
        """Count an answered request."""
        numbers, index = self._numbers, _ENDPOINT[endpoint]
        numbers[_REQUESTS + index * len(STATUSES) + _STATUS[status]] += 1.0
        place = _LATENCY + index * _PER_LATENCY
        numbers[place + bisect_left(SECONDS, seconds)] += 1.0
        numbers[place + _PER_LATENCY - 1] += seconds

    def batch(self, num_rows: int, seconds: Second) -> None:
        """Count a call of the model."""
        numbers = self._numbers
        numbers[_BATCH_ROWS + bisect_left(ROWS, num_rows)] += 1.0
        numbers[_SINGLE - 1] += num_rows
        numbers[_PLACE["houses"]] += num_rows
        numbers[_PLACE["batches"]] += 1.0
        numbers[_PLACE["batch_seconds"]] += seconds

    def add(self, name: str, more: float = 1.0) -> None:
        """Count one of `COUNTS`."""
        self._numbers[_PLACE[name]] += more

    def set(self, name: str, value: float) -> None:
        """Say one of `STATES`, or a count that is kept elsewhere."""
        self._numbers[_PLACE[name]] = value

    def get(self, name: str) -> float:
        """One of `COUNTS` or `STATES`."""
        return float(self._numbers[_PLACE[name]])

    def requests(self, endpoint: str, status: int) -> float:
        """Requests of an endpoint with this answer."""
        return float(self._numbers[_REQUESTS + _ENDPOINT[endpoint] * len(STATUSES) + _STATUS[status]])

    def latency(self, endpoint: str) -> tuple[list[float], Second]:
        """Requests between the bounds of `SECONDS`, and all of their seconds together."""
        place = _LATENCY + _ENDPOINT[endpoint] * _PER_LATENCY
        return list(self._numbers[place : place + len(SECONDS) + 1]), float(self._numbers[place + _PER_LATENCY - 1])

    def batch_rows(self) -> tuple[list[float], float]:
        """Batches between the bounds of `ROWS`, and all of their rows together."""
        return list(self._numbers[_BATCH_ROWS : _BATCH_ROWS + len(ROWS) + 1]), float(self._numbers[_SINGLE - 1])
