"""BentoML in one worker, with `async def`, which its documentation advises for what blocks nothing.

https://docs.bentoml.com/en/latest/get-started/services.html: a plain `def` runs in a pool of threads, `async def` in
the event loop. Adaptive batching is left out: docs/log.md says what it did.
"""

from __future__ import annotations

import bentoml

from benchmarks.serving.rivals.houses import House, eager, rows_of


@bentoml.service(workers=1, traffic={"timeout": 10}, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Prices:
    """Prices houses."""

    def __init__(self) -> None:
        self._predict = eager()

    @bentoml.api(route="/price")
    async def price(self, houses: list[House]) -> list[float]:
        """Price one house or many."""
        return self._predict(rows_of(houses)).tolist()
