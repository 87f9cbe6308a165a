"""The supervisor: owns the port, hands connections to workers, replaces those that die, and tells all what to do.

It keeps a copy of every connection. When a worker is killed, the requests that it had are answered here, with a 503,
and its other connections go on in another worker. No torch, and no HTTP but refusals.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pricebench.errors import ExitCode, PricebenchError
from pricebench.server.board import Board, Doing
from pricebench.server.channel import ChannelClosedError, Message
from pricebench.server.counters import NUMBERS, STATES, Counters
from pricebench.server.example import curl
from pricebench.server.handover import Fate, fate, is_asking
from pricebench.server.heartbeat import Heartbeats
from pricebench.server.hosts import hosts_of
from pricebench.server.lingering import Lingering
from pricebench.server.listening import ServeError, listen
from pricebench.server.reloads import Reloads
from pricebench.server.settings import Settings
from pricebench.server.snapshots import Snapshots, Watch
from pricebench.server.workers import Worker
from pricebench.units import Second, counted

_ACCEPTED_AT_ONCE = 64
_TICK: Second = 0.25
_LOOK: Second = 1.0
"""At most between two looks at what no message tells: a changed folder, a worker that hangs."""
_KILL_AFTER: Second = 1.0
"""Of a worker that did not end within its grace."""
_WAITS: tuple[Second, ...] = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the next start of a worker that died before it was ready, again and again."""
_TRIES = 3
"""Of a worker before any was ready; then something is wrong with this machine."""


class Supervisor:
    """What runs in the process that was started.

    Attributes:
        address: Where it listens, `(host, port)`.
    """

    def __init__(self, settings: Settings, *, say: Callable[[str], None]) -> None:
        """Listen.

        Args:
            settings: What it is started with.
            say: Tells whoever started it how it goes.

        Raises:
            OSError: The log cannot be written.
            ServeError: The address cannot be listened on, or not without a token.
        """
        self._settings = settings
        self._say = say
        if settings.log not in (None, "-"):
            Path(str(settings.log)).open("ab").close()  # workers open it too; whether they can is said now
        self._listener = listen(settings)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._hosts = hosts_of(
            self.address[0], host=settings.host, allowed=settings.allowed_hosts, has_token=bool(settings.token)
        )
        self._heartbeats = Heartbeats(settings.hang_timeout)
        places = settings.limits.connections
        self._board = Board.make(places=places, processes=settings.workers + 1, numbers=NUMBERS)
        self._counters = Counters(self._board.numbers(settings.workers))
        self._free = deque(range(places))
        self._selector = selectors.DefaultSelector()
        self._lingering = Lingering(self._selector)
        self._workers: dict[int, Worker] = {}
        self._failures = [0] * settings.workers
        self._restarts: dict[int, Second] = {}
        self._signals: deque[int] = deque()
        self._failed: PricebenchError | None = None
        self._was_ready = False
        self._ends_at: Second | None = None
        self._exit_code = 0

    @property
    def url(self) -> str:
        """Where it can be asked from this machine."""
        host, port = self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked about, not listened on
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # ---- its life

    def run(self) -> int:
        """Serve until a signal says that it is the end.

        Returns:
            The exit status.

        Raises:
            PricebenchError: No worker could become ready.
        """
        with Snapshots(self._settings.artifacts, self._settings.exported) as snapshots, self._heard_signals():
            watch = Watch(self._settings.artifacts, self._settings.exported) if self._settings.watch else None
            self._snapshots = snapshots
            self._reloads = Reloads(snapshots, watch, self._workers, counters=self._counters, say=self._say)
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
            for number in range(self._settings.workers):
                self._start(number)
            try:
                self._loop()
            finally:
                self._leave_nothing()
        if self._failed:
            raise self._failed
        return self._exit_code

    def _loop(self) -> None:
        while self._ends_at is None or (self._workers and time.monotonic() < self._ends_at + _KILL_AFTER):
            for key, _ in self._selector.select(self._patience()):
                key.data()
            while self._signals:
                self._obey(self._signals.popleft())
            now = time.monotonic()
            self._lingering.look_at_the_clock(now)
            for number in [number for number, at in self._restarts.items() if at <= now]:
                del self._restarts[number]
                self._start(number)
            self._reloads.look(now)
            self._kill_hung(now)

    def _patience(self) -> Second:
        return _TICK if self._restarts or self._lingering or self._ends_at is not None else _LOOK

    def _kill_hung(self, now: Second) -> None:
        """End workers that do nothing any more; what follows is as for any that died."""
        # One that still loads its first model imports torch, which can stop a loop for as long as a disk is slow.
        ready = [number for number, worker in self._workers.items() if worker.is_ready]
        beats = {number: Counters(self._board.numbers(number)).get("beats") for number in ready}
        for number in self._heartbeats.hung(beats, now):
            self._say(f"worker {number} hangs: its loop has not turned for {self._settings.hang_timeout:g} s")
            self._workers[number].process.kill()

    def _leave_nothing(self) -> None:
        for worker in self._workers.values():
            worker.process.kill()
            worker.process.wait()
            self._say_goodbye(worker)
        # A moment for those who are told that their request was not answered.
        until = time.monotonic() + _TICK
        while self._lingering and time.monotonic() < until:
            for key, _ in self._selector.select(_TICK / 10):
                key.data()
        self._lingering.close()
        self._listener.close()
        self._selector.close()

    # ---- signals

    @contextlib.contextmanager
    def _heard_signals(self) -> Any:
        def hear(number: int, _: FrameType | None) -> None:
            self._signals.append(number)

        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)  # noqa: FBT003 - its only parameter
        names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {name: signal.signal(name, hear) for name in names}
        # A signal ends the wait for connections too.
        woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._selector.register(ours, selectors.EVENT_READ, lambda: ours.recv(64))
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for name, handler in before.items():
                signal.signal(name, handler)
            ours.close()
            theirs.close()

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reloads.try_another()
        elif self._ends_at is None:
            self._exit_code = 130 if number == signal.SIGINT else 0
            self._end()
        else:  # who says it twice wants it now
            self._ends_at = time.monotonic() - _KILL_AFTER

    def _end(self) -> None:
        """Accept what has come until now, and nothing more; let the workers answer what they have."""
        while self._accept():
            pass
        self._selector.unregister(self._listener)
        self._listener.close()
        self._restarts.clear()
        self._reloads.is_open = False
        self._ends_at = time.monotonic() + self._settings.grace
        for worker in self._workers.values():
            worker.tell(end=self._settings.grace)

    # ---- connections

    def _accept(self) -> bool:
        """Accept what waits, and say whether some more may wait."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except OSError:  # nobody waits, the client is gone, or no descriptors are left
                return False
            connection.setblocking(False)  # noqa: FBT003 - its only parameter
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._free:
                self._counters.add("refused_connections")
                most = f"{self._settings.limits.connections:,}"
                self._lingering.refuse(
                    connection, f"{most} connections are open, which is all that may. Try again later."
                )
                continue
            place = self._free.popleft()
            self._board.clear(place)
            self._give(place, connection)
        return True

    def _give(self, place: int, connection: socket.socket) -> None:
        """Let the worker answer that has the fewest connections, one that is ready before one that is not."""
        for worker in sorted(self._workers.values(), key=lambda each: (not each.is_ready, len(each.connections))):
            if worker.give(place, connection):
                return
        self._free.append(place)
        self._lingering.refuse(connection, "no worker is there to answer. Try again in a second.")

    # ---- workers

    def _start(self, number: int) -> None:
        reloads = self._reloads
        worker = Worker.start(
            number, self._settings, self._board, hosts=self._hosts, generation=reloads.generation, folder=reloads.folder
        )
        self._workers[number] = worker
        self._selector.register(worker.channel, selectors.EVENT_READ, lambda: self._hear(worker))

    def _hear(self, worker: Worker) -> None:
        try:
            while message := worker.channel.receive():
                self._understand(worker, message)
        except ChannelClosedError:
            self._bury(worker)

    def _understand(self, worker: Worker, message: Message) -> None:
        content = message.content
        if "closed" in content:
            place = content["closed"]
            connection = worker.connections.pop(place, None)
            if connection:
                self._let_go(place, connection)
        elif "loaded" in content:
            self._loaded(worker, content["loaded"], content["digest"])
        elif "refused" in content:
            self._refused(worker, content["refused"], self._snapshots.told(content["why"]), content["exit_code"])

    def _bury(self, worker: Worker) -> None:
        """Forget a worker that has died, answer for it, and start another in its place."""
        self._selector.unregister(worker.channel)
        worker.channel.close()
        worker.process.wait()
        del self._workers[worker.number]
        numbers = Counters(self._board.numbers(worker.number))
        for name in STATES:
            numbers.set(name, 0.0)
        self._reloads.forget(worker)
        if self._ends_at is not None or self._failed:
            self._say_goodbye(worker)
            return
        self._counters.add("restarts")
        if worker.is_ready:
            self._failures[worker.number] = 0
        wait = _WAITS[min(self._failures[worker.number], len(_WAITS) - 1)]
        self._failures[worker.number] += 1
        if not self._was_ready and self._failures[worker.number] >= _TRIES:
            self._fail(f"worker {worker.number} died {_TRIES} times before it was ready ({_how(worker.process)}).")
            return
        self._say(f"worker {worker.number} died ({_how(worker.process)}); another takes its place")
        if wait:
            self._restarts[worker.number] = time.monotonic() + wait
        else:
            self._start(worker.number)
        self._say_goodbye(worker)

    def _say_goodbye(self, worker: Worker) -> None:
        """Answer the requests that a dead worker had, and let others have its other connections."""
        for place, connection in worker.connections.items():
            found = fate(connection, self._board.state(place))
            if found is Fate.REFUSE:
                self._free.append(place)
                self._refuse(connection, "the worker that had this request died. Try again.")
                continue
            if found is Fate.MOVE:
                self._board.settle(place)
            if found is Fate.MOVE and self._ends_at is None:
                self._give(place, connection)
            else:
                self._let_go(place, connection)
        worker.connections.clear()

    def _let_go(self, place: int, connection: socket.socket) -> None:
        """Close a connection of which nobody takes care any more."""
        is_idle = self._board.doing[place] == Doing.NOTHING
        self._free.append(place)
        if is_idle and is_asking(connection):  # it asked when it was too late
            self._refuse(connection, "this connection is being closed. Try again.")
        else:
            self._lingering.close_gently(connection)

    def _refuse(self, connection: socket.socket, why: str) -> None:
        """Answer a request that no worker answers any more; it counts as answered, for nothing else knows of it."""
        self._counters.request("other", 503, 0.0)
        self._lingering.refuse(connection, why)

    # ---- models

    def _loaded(self, worker: Worker, generation: int, digest: str) -> None:
        if worker.is_ready:
            self._reloads.accepted(worker, generation, digest)
            return
        self._reloads.begun(worker, generation)
        if self._was_ready:
            self._say(f"worker {worker.number} is ready")
        elif all(each.is_ready for each in self._workers.values()):
            self._was_ready = self._reloads.is_open = True
            self._say_ready(digest)

    def _refused(self, worker: Worker, generation: int, why: str, exit_code: int) -> None:
        if worker.is_ready:
            self._reloads.refused(worker, generation, why)
        elif not self._was_ready:
            self._fail(why, exit_code)
        else:
            self._say(f"worker {worker.number} cannot begin: {why}")
            worker.process.kill()

    def _fail(self, why: str, exit_code: int = ExitCode.BAD_INPUT) -> None:
        self._failed = ServeError(why)
        self._failed.exit_code = ExitCode(exit_code)
        self._ends_at = time.monotonic() - _KILL_AFTER

    def _say_ready(self, digest: str) -> None:
        settings = self._settings
        how = settings.exported.name if settings.exported else f"mode {settings.mode or 'eager'}"
        workers, threads = counted(settings.workers, "worker"), counted(settings.threads, "thread")
        self._say(f"ready: model {digest[:12]}, {how}, {workers}, {threads} each")
        self._say(f"  {curl(self.url, has_token=bool(settings.token))}")


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit status {code}"
