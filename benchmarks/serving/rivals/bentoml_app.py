"""BentoML with adaptive batching, in one worker.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html: `batchable=True`, one parameter, a bound for the
latency.
"""

from __future__ import annotations

import bentoml

from benchmarks.serving.rivals.houses import House, eager, rows_of


@bentoml.service(workers=1, traffic={"timeout": 10}, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Prices:
    """Prices houses."""

    def __init__(self) -> None:
        self._predict = eager()

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=5, route="/price")
    def price(self, houses: list[House]) -> list[float]:
        """Price what came together, in one call."""
        return self._predict(rows_of(houses)).tolist()
