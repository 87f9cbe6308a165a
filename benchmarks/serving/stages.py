"""Where the time of one house goes: the functions that its request passes through in our server, each timed alone.

Run as `python -m benchmarks.serving.stages FOLDER MODE CORE`; prints the stages as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httptools
import numpy as np
import torch

from benchmarks.serving.bodies import bodies_for
from pricebench.server import houses_json, shortcut
from pricebench.server.price import one_house
from pricebench.serving.batching import Batcher, Priced
from pricebench.serving.readiness import ReadyModel, load_ready
from pricebench.traffic.records import Stage, Traffic
from pricebench.units import Second

_CALLS, _BATCHES = 200, 50
_PATIENCE: Second = 60.0


class _Protocol:
    """Keeps what the parser finds, as uvicorn's protocol does."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def on_url(self, url: bytes) -> None:
        """The path."""
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of the fields."""
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self.body += body


class _Answered:
    """Who waits in the queue."""

    def done(self) -> bool:
        """He waits."""
        return False

    def set_result(self, result: Any, /) -> None:
        """Take the price."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Be told that there is none."""
        raise exception


class _NoModel:
    """Costs nothing, so that only the queue is left."""

    def __init__(self) -> None:
        self._price_N = np.ones(1)

    def predict(self, _: Any) -> Any:
        """Any price."""
        return self._price_N


def stages(folder: Path, mode: str) -> list[Stage]:
    """Time each of them.

    Args:
        folder: A trained model.
        mode: Execution mode.
    """
    torch.set_num_threads(1)
    ready = load_ready(folder, mode=mode)
    bodies = bodies_for(folder, Traffic.ONE, seed=0)
    request, body = bodies.requests("/v1/price")[0].encode(), bodies.texts[0].encode()
    house = houses_json.plain_house(body)
    assert house is not None
    row_1F = np.array((house,))
    priced: Priced[ReadyModel] = Priced(ready.predict(row_1F), ready)
    answer, date = one_house(house, priced), formatdate(usegmt=True).encode()
    turn = _in_loop(lambda _: None)
    return [
        Stage(name="HTTP: parsing the request", seconds=_timed(lambda: shortcut.fits(dict(_parsed(request).headers)))),
        Stage(name="JSON: the body becomes a house", seconds=_timed(lambda: houses_json.plain_house(body))),
        Stage(name="queue: into it, and out of it in a batch", seconds=max(0.0, _in_loop(_queue(row_1F)) - turn)),
        Stage(name=f"model: raw features to dollars, {mode}", seconds=_timed(lambda: ready.predict(row_1F))),
        Stage(name="JSON: price, range and warnings", seconds=_timed(lambda: one_house(house, priced))),
        Stage(name="HTTP: writing the answer's bytes", seconds=_timed(lambda: shortcut.as_bytes(answer, date))),
        Stage(name="a turn of the event loop", seconds=turn),
    ]


def _parsed(request: bytes) -> _Protocol:
    protocol = _Protocol()
    httptools.HttpRequestParser(protocol).feed_data(request)
    return protocol


def _queue(row_1F: Any) -> Callable[[dict[str, Any]], None]:
    def put(state: dict[str, Any]) -> None:
        batcher = state.get("batcher")
        if batcher is None:
            batcher = state["batcher"] = Batcher(
                _NoModel(), most_waiting_rows=1000, patience=_PATIENCE, clock=time.monotonic
            )
        batcher.put(row_1F, _Answered())

    return put


def _in_loop(do: Callable[[dict[str, Any]], None]) -> Second:
    """A call and the turn of an event loop that follows it: uvloop's, as in the server."""
    import uvloop  # noqa: PLC0415 - only for a Linux that serves

    async def run() -> list[Second]:
        state: dict[str, Any] = {}
        found = []
        for _ in range(_BATCHES):
            started = time.perf_counter()
            for _ in range(_CALLS):
                do(state)
                await asyncio.sleep(0)
            found.append((time.perf_counter() - started) / _CALLS)
        return found

    return statistics.median(uvloop.run(run()))


def _timed(call: Callable[[], object]) -> Second:
    found = []
    for _ in range(_BATCHES):
        started = time.perf_counter()
        for _ in range(_CALLS):
            call()
        found.append((time.perf_counter() - started) / _CALLS)
    return statistics.median(found)


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[3])})
    gc.disable()
    json.dump(
        [{"name": each.name, "seconds": each.seconds} for each in stages(Path(sys.argv[1]), sys.argv[2])], sys.stdout
    )
