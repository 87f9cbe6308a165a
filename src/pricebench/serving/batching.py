"""Batches without waiting: what has arrived while the last batch ran is priced together, in one call of the model.

Knows no HTTP. All of it runs in one event loop, so nothing is locked. Shapes: N rows, F features.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pricebench.serving.pieces import MOST_ROWS
from pricebench.units import Second


class Prices(Protocol):
    """What prices a batch."""

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Price houses, `(N, F)` to `(N,)` dollars."""


ModelT = TypeVar("ModelT", bound=Prices)


class Waiter(Protocol[ModelT]):
    """Who waits for prices, such as a future."""

    def done(self) -> bool:
        """Whether he does no more."""

    def set_result(self, result: Priced[ModelT], /) -> None:
        """Take them."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Take that there will be none."""


class QueueFullError(Exception):
    """More rows wait than may."""


class DeadlineError(Exception):
    """The rows waited longer than they may."""


class Priced(NamedTuple, Generic[ModelT]):
    """An answer.

    Attributes:
        price_N: Dollars, `(N,)`.
        model: That priced all of them.
    """

    price_N: NDArray[np.float64]
    model: ModelT


class Batch(NamedTuple):
    """What one call of the model did, for statistics.

    Attributes:
        num_requests: That had rows in it.
        num_rows: In the call.
        seconds: That it took.
    """

    num_requests: int
    num_rows: int
    seconds: Second


@dataclass(slots=True, eq=False)
class _Waiting(Generic[ModelT]):
    """A request in the queue.

    Attributes:
        rows_NF: All of its rows.
        deadline: By the batcher's clock.
        answer: Is given its prices.
        price_N: Of the rows before `done`.
        done: Rows priced so far.
        model: That priced them; None before the first.
    """

    rows_NF: NDArray[np.float64]
    deadline: Second
    answer: Waiter[ModelT]
    price_N: NDArray[np.float64] | None = None
    done: int = 0
    model: ModelT | None = None

    @property
    def num_left(self) -> int:
        return len(self.rows_NF) - self.done


class Batcher(Generic[ModelT]):
    """A bounded queue in front of a model.

    The model runs inside of the event loop: a call costs tens of microseconds, and handing it to a thread more than
    that. At most `most_rows` are priced before the loop does something else.

    Attributes:
        model: Prices whatever begins from now on; assign another to switch between two batches.
        num_waiting_rows: In the queue.
    """

    def __init__(
        self,
        model: ModelT,
        *,
        most_waiting_rows: int,
        patience: Second,
        clock: Callable[[], Second],
        most_rows: int = MOST_ROWS,
        on_batch: Callable[[Batch], None] = lambda _: None,
    ) -> None:
        """Begin empty.

        Args:
            model: Prices the rows.
            most_waiting_rows: What the queue holds; more are refused.
            patience: After which a request that waits is given up.
            clock: Seconds, never going back.
            most_rows: Of one call.
            on_batch: Is told about each call.
        """
        self.model = model
        self.num_waiting_rows = 0
        self._most_waiting_rows = most_waiting_rows
        self._patience = patience
        self._clock = clock
        self._most_rows = most_rows
        self._on_batch = on_batch
        self._waiting: deque[_Waiting[ModelT]] = deque()
        self._is_scheduled = False

    def submit(self, rows_NF: NDArray[np.float64], *, arrived: Second | None = None) -> asyncio.Future[Priced[ModelT]]:
        """Put a request's rows into the queue; they are priced by one model, in as many calls as they need.

        Args:
            rows_NF: At least one row.
            arrived: When the request did, by the batcher's clock; now, unless said.

        Returns:
            Its prices to be awaited, or `DeadlineError`. Cancelled, the rows are not priced.

        Raises:
            QueueFullError: There is no room for them.
        """
        answer: asyncio.Future[Priced[ModelT]] = asyncio.get_running_loop().create_future()
        self.put(rows_NF, answer, arrived=arrived)
        return answer

    def put(self, rows_NF: NDArray[np.float64], answer: Waiter[ModelT], *, arrived: Second | None = None) -> None:
        """The same for whoever waits in a way of his own; he is told inside of the batch, and must not raise."""
        num_rows = len(rows_NF)
        if self.num_waiting_rows + num_rows > self._most_waiting_rows:
            raise QueueFullError
        since = self._clock() if arrived is None else arrived
        self._waiting.append(_Waiting(rows_NF, since + self._patience, answer))
        self.num_waiting_rows += num_rows
        self._schedule(asyncio.get_running_loop())

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        # What the loop has already read from its sockets runs before this does, and joins the batch.
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._run_batch)

    def _run_batch(self) -> None:
        self._is_scheduled = False
        start = self._clock()
        self._give_up(start)
        if not self._waiting:
            return
        model, shares = self._next_batch()
        rows = [request.rows_NF[request.done : request.done + num] for request, num in shares]
        batch_NF = rows[0] if len(rows) == 1 else np.concatenate(rows)
        try:
            price_N = model.predict(batch_NF)
        except Exception as error:
            # Whatever it is, somebody waits for each of these answers; it is raised there.
            for request, _ in shares:
                request.answer.set_exception(error)
            self._forget_answered()
        else:
            self._hand_out(model, shares, price_N)
            self._on_batch(Batch(len(shares), len(batch_NF), self._clock() - start))
        if self._waiting:
            self._schedule(asyncio.get_running_loop())

    def _give_up(self, now: Second) -> None:
        """Take requests off the queue that have waited too long, or that nobody waits for any more."""
        if all(request.deadline >= now and not request.answer.done() for request in self._waiting):
            return
        for request in self._waiting:
            if request.deadline < now and not request.answer.done():
                request.answer.set_exception(DeadlineError())
        self._forget_answered()

    def _forget_answered(self) -> None:
        self._waiting = deque(request for request in self._waiting if not request.answer.done())
        self.num_waiting_rows = sum(request.num_left for request in self._waiting)

    def _next_batch(self) -> tuple[ModelT, list[tuple[_Waiting[ModelT], int]]]:
        """A model, and how many rows of which requests it prices next.

        Every request gets an equal share of the call, and what some do not need goes to those that came first: one
        house does not wait for ten thousand of somebody else's.
        """
        # One that was begun before a switch is finished by the model that began it, alone with its like.
        begun = next((request.model for request in self._waiting if request.model is not None), None)
        model = self.model if begun is None else begun
        if self.num_waiting_rows <= self._most_rows and (begun is None or begun is self.model):
            return model, [(request, request.num_left) for request in self._waiting]
        fitting = [
            request
            for request in self._waiting
            if request.model is model or (request.model is None and model is self.model)
        ]
        share = self._most_rows // len(fitting)
        given = [min(request.num_left, share) for request in fitting]
        room = self._most_rows - sum(given)
        for place, request in enumerate(fitting):
            if not room:
                break
            more = min(room, request.num_left - given[place])
            given[place] += more
            room -= more
        return model, [(request, num) for request, num in zip(fitting, given, strict=True) if num]

    def _hand_out(
        self, model: ModelT, shares: list[tuple[_Waiting[ModelT], int]], price_N: NDArray[np.float64]
    ) -> None:
        start, num_answered = 0, 0
        for request, num in shares:
            mine_N = price_N[start : start + num]
            start += num
            request.model = model
            if num == len(request.rows_NF):
                request.answer.set_result(Priced(mine_N, model))
                num_answered += 1
            else:
                if request.price_N is None:
                    request.price_N = np.empty(len(request.rows_NF))
                request.price_N[request.done : request.done + num] = mine_N
                request.done += num
                if not request.num_left:
                    request.answer.set_result(Priced(request.price_N, model))
                    num_answered += 1
        if num_answered == len(self._waiting):
            self._waiting.clear()
            self.num_waiting_rows = 0
        else:
            self._forget_answered()
