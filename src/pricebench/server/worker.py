"""A worker process: takes connections from the supervisor, answers them, and loads models when it is told to.

Run as `python -m pricebench.server.worker CHANNEL BOARD`, both of them descriptors that were inherited.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from pricebench.errors import PricebenchError
from pricebench.server.app import App
from pricebench.server.board import Board
from pricebench.server.channel import Channel, ChannelClosedError
from pricebench.server.connections import SWEEP, Connections
from pricebench.server.counters import NUMBERS, Counters
from pricebench.server.request_log import RequestLog
from pricebench.server.service import Service
from pricebench.server.settings import Settings
from pricebench.server.snapshots import EXPORTED
from pricebench.units import Second

if TYPE_CHECKING:
    from pricebench.serving.reloading import Models

# For a client that was about to ask when the end was announced.
_LAST_REQUESTS: Second = 0.1
_LOOK: Second = 0.02


def main() -> None:
    """Serve until the supervisor says that it is the end, or is gone."""
    # Ctrl-C and the like are for the supervisor.
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    channel = Channel.inherited(int(sys.argv[1]))
    first = channel.receive()
    assert first is not None
    plan = first.content
    settings = Settings.from_json(plan["settings"])
    board = Board(int(sys.argv[2]), places=settings.limits.connections, processes=settings.workers + 1, numbers=NUMBERS)
    if plan["cores"]:
        os.sched_setaffinity(0, plan["cores"])
    # Its warnings are about clients, which are answered; its errors are ours.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    worker = Worker(channel, board, settings, number=plan["number"], cores=plan["cores"], hosts=plan["hosts"])
    uvloop.run(worker.run(plan["generation"], Path(plan["folder"])))


class Worker:
    """What runs in the process."""

    def __init__(
        self,
        channel: Channel,
        board: Board,
        settings: Settings,
        *,
        number: int,
        cores: list[int],
        hosts: list[str],
    ) -> None:
        everyone = [Counters(board.numbers(process)) for process in range(board.processes)]
        self._channel = channel
        self._board = board
        self._settings = settings
        self._counters = everyone[number]
        self._counters.set("pid", os.getpid())
        self._counters.set("core", cores[0] if cores else -1)
        self._counters.set("threads", settings.threads)
        self._counters.set("is_ready", 0.0)
        self._compiled_before_me = self._counters.get("compilations")
        self._log = RequestLog.open(settings.log, number) if settings.log else None
        self._service = Service(
            limits=settings.limits,
            counters=self._counters,
            everyone=everyone,
            token=settings.token,
            hosts=hosts,
            clock=time.monotonic,
        )
        self._models: Models | None = None
        self._end_after: Second | None = None
        self._is_alone = False
        self._is_ending = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, generation: int, folder: Path) -> None:
        """Serve, with the model of a folder as soon as it is ready."""
        self._connections = Connections(
            App(self._service, self._log),
            limits=self._settings.limits,
            board=self._board,
            counters=self._counters,
            clock=time.monotonic,
            on_close=lambda place: self._tell(closed=place),
        )
        loop = asyncio.get_running_loop()
        self._channel.set_blocking(is_blocking=False)
        loop.add_reader(self._channel.fileno(), self._hear)
        self._spawn(self._first_load(generation, folder))
        sweeping = asyncio.create_task(self._sweep())
        await self._is_ending.wait()
        await self._finish()
        sweeping.cancel()
        if self._is_alone:
            shutil.rmtree(folder.parent, ignore_errors=True)  # where the supervisor kept its copies
        # At once: what is left gets its 503 from the supervisor, not a cancelled application, and a thread that still
        # loads a model is not waited for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, **content: Any) -> None:
        # The supervisor always reads, and never waits for a worker.
        self._channel.set_blocking(is_blocking=True)
        with contextlib.suppress(ChannelClosedError):
            self._channel.send(**content)
        self._channel.set_blocking(is_blocking=False)

    def _hear(self) -> None:
        """Do what the supervisor says."""
        try:
            while message := self._channel.receive():
                content = message.content
                if message.connection is not None:
                    self._spawn(self._connections.take(message.connection, content["place"]))
                elif "load" in content:
                    self._spawn(self._load(content["load"], Path(content["folder"])))
                elif "switch" in content:
                    self._switch()
                elif "drop" in content:
                    if self._models:
                        self._models.drop()
                elif "end" in content:
                    self._end(content["end"])
        except ChannelClosedError:
            # The supervisor was killed: what was begun is answered, and nothing is left behind.
            self._is_alone = True
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._end(self._settings.grace)

    # ---- models

    async def _first_load(self, generation: int, folder: Path) -> None:
        # Imported beside a loop that answers already, that it is not ready.
        models = await asyncio.to_thread(self._make_models)
        self._models = models
        await self._load(generation, folder, is_first=True)

    def _make_models(self) -> Models:
        import torch  # noqa: PLC0415 - seconds

        from pricebench.serving.reloading import Models  # noqa: PLC0415

        torch.set_num_threads(self._settings.threads)
        return Models(
            mode=self._settings.mode or None,
            exported=EXPORTED if self._settings.exported else None,
            device=self._settings.device,
            on_switch=self._service.use,
        )

    async def _load(self, generation: int, folder: Path, *, is_first: bool = False) -> None:
        import torch  # noqa: PLC0415 - is there by now

        assert self._models is not None
        torch.set_num_threads(self._settings.threads)
        try:
            ready = await self._models.load_beside(folder)
        except PricebenchError as error:
            self._tell(refused=generation, why=str(error), exit_code=int(error.exit_code))
            return
        except Exception as error:
            # A compiler may raise anything; a worker that goes on with its model is better than none.
            self._tell(refused=generation, why=f"{type(error).__name__}: {error}".splitlines()[0], exit_code=2)
            return
        if is_first:
            self._models.switch()
        self._tell(loaded=generation, digest=ready.digest)

    def _switch(self) -> None:
        assert self._models is not None
        self._models.switch()

    # ---- the end

    def _end(self, grace: Second) -> None:
        self._end_after = grace
        self._connections.is_ending = True
        self._is_ending.set()

    async def _finish(self) -> None:
        """Answer what was begun."""
        assert self._end_after is not None
        until = time.monotonic() + self._end_after
        await asyncio.sleep(min(_LAST_REQUESTS, self._end_after / 2))
        while len(self._connections) and time.monotonic() < until:
            self._connections.close_idle()
            await asyncio.sleep(_LOOK)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._counters.set("beats", self._counters.get("beats") + 1)
            self._connections.sweep()
            self._service.refresh()
            if self._models:
                compiled = self._models.num_unexpected_compilations
                self._counters.set("compilations", self._compiled_before_me + compiled)


if __name__ == "__main__":
    main()
