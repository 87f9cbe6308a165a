"""What all requests of a worker share: the model, the queue in front of it, the limits, and the counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pricebench.server.answers import RefusedError
from pricebench.server.counters import Counters
from pricebench.server.hosts import Hosts
from pricebench.server.limits import Limits
from pricebench.serving.batching import Batch, Batcher, DeadlineError, Priced, QueueFullError
from pricebench.serving.readiness import ReadyModel
from pricebench.units import Second

_LATER = ((b"retry-after", b"1"),)


class Service:
    """Prices for the endpoints.

    Attributes:
        limits: What is refused.
        counters: Of this worker.
        everyone: Counters of all processes.
        token: That each request must bring, or empty.
        hosts: That requests may name.
        clock: Seconds.
        batcher: In front of the model; None before one is ready.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        counters: Counters,
        everyone: Sequence[Counters],
        token: str,
        hosts: Sequence[str],
        clock: Callable[[], Second],
    ) -> None:
        self.limits = limits
        self.counters = counters
        self.everyone = everyone
        self.token = token.encode()
        self.hosts = Hosts(hosts)
        self.clock = clock
        self.batcher: Batcher[ReadyModel] | None = None

    @property
    def model(self) -> ReadyModel | None:
        """What prices requests that begin now; None before one is ready."""
        return self.batcher.model if self.batcher else None

    @property
    def mode(self) -> str:
        """Execution mode of what prices; empty before one is ready."""
        return self.model.mode if self.model else ""

    def use(self, model: ReadyModel) -> None:
        """Price whatever begins from now on with this model."""
        if self.batcher:
            self.batcher.model = model
            self.counters.add("reloads")
        else:
            self.batcher = Batcher(
                model,
                most_waiting_rows=self.limits.waiting_rows,
                patience=self.limits.deadline,
                clock=self.clock,
                on_batch=self._count,
            )
        self.counters.set("is_ready", 1.0)

    async def price(self, rows_NF: NDArray[np.float64], arrived: Second) -> Priced[ReadyModel]:
        """Price houses, `(N, F)`, of a request that arrived then.

        Raises:
            RefusedError: 503 before a model is ready, and where too many wait; 504 after the deadline.
        """
        if self.batcher is None:
            raise RefusedError(503, "the model is being loaded and checked. Try again in a second.", headers=_LATER)
        try:
            return await self.batcher.submit(rows_NF, arrived=arrived)
        except (QueueFullError, DeadlineError) as error:
            raise self.refused(error) from None

    def refused(self, error: QueueFullError | DeadlineError) -> RefusedError:
        """What the queue did not take, or gave up, as an answer."""
        if isinstance(error, QueueFullError):
            most = f"{self.limits.waiting_rows:,}"
            return RefusedError(
                503, f"{most} houses are waiting, which is all that may. Try again in a second.", headers=_LATER
            )
        return RefusedError(
            504, f"no price within {self.limits.deadline:g} s. Try again with fewer houses, or when less is asked."
        )

    def refresh(self) -> None:
        """Bring the counts up to date that are kept elsewhere."""
        self.counters.set("waiting_rows", float(self.batcher.num_waiting_rows) if self.batcher else 0.0)

    def _count(self, batch: Batch) -> None:
        self.counters.batch(batch.num_rows, batch.seconds)
