"""A worker's connections: uvicorn's HTTP protocol, with limits for what is slow or large, and errors as JSON.

The supervisor hands a connection over and keeps a copy of it, so closing it is left to the supervisor too: it is told
the connection's place. What each connection is doing stands in shared memory, for the case that this process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from pricebench.server import shortcut
from pricebench.server.answers import Answer
from pricebench.server.app import App
from pricebench.server.board import Board, Doing
from pricebench.server.counted import CountedTransport
from pricebench.server.counters import Counters
from pricebench.server.limits import Limits
from pricebench.server.refusing import response
from pricebench.server.requests import ARRIVED
from pricebench.units import Byte, Second

SWEEP: Second = 0.25
"""Between two looks for connections that are too slow."""


class Connections:
    """All of a worker's.

    Attributes:
        loop: The event loop.
        app: Answers.
        date: As a header says it.
        is_ending: Whether each is closed after the answer that it waits for.
        limits: What is refused.
        board: Shared memory.
        counters: Of this worker.
        clock: Seconds.
    """

    def __init__(
        self,
        app: App,
        *,
        limits: Limits,
        board: Board,
        counters: Counters,
        clock: Callable[[], Second],
        on_close: Callable[[int], None],
    ) -> None:
        """Begin without any.

        Args:
            app: Answers.
            limits: What is refused.
            board: Shared memory.
            counters: Of this worker.
            clock: Seconds, never going back.
            on_close: Is told the place of each connection that ends.
        """
        self.app = app
        self.is_ending = False
        self.limits = limits
        self.board = board
        self.counters = counters
        self.clock = clock
        self._on_close = on_close
        self.loop = asyncio.get_running_loop()
        self.config = Config(
            app,
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            access_log=False,
        )
        self.config.load()
        self.state = ServerState()
        self._open: set[Connection] = set()
        self._answered: list[Connection] = []
        self.sweep()

    def __len__(self) -> int:
        return len(self._open)

    async def take(self, sock: Any, place: int) -> None:
        """Serve a connection that was accepted elsewhere.

        Args:
            sock: Connected.
            place: On the board.
        """
        sock.setblocking(False)  # noqa: FBT003 - its only parameter
        try:
            await self.loop.connect_accepted_socket(lambda: Connection(self, place), sock)
        except OSError:  # gone before it began
            self._on_close(place)

    def opened(self, connection: Connection) -> None:
        """Know it."""
        self._open.add(connection)
        self.counters.set("connections", float(len(self._open)))

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self._open.discard(connection)
        # Before it is counted: who sees the count knows that the supervisor hears of it before what comes next.
        self._on_close(connection.place)
        self.counters.set("connections", float(len(self._open)))

    def answered(self, connection: Connection) -> None:
        """Mark it as doing nothing after this turn of the loop, which has sent its answer unless the client is slow."""
        if not self._answered:
            self.loop.call_soon(self._settle)
        self._answered.append(connection)

    def _settle(self) -> None:
        answered, self._answered = self._answered, []
        for connection in answered:
            connection.settle()

    def sweep(self) -> None:
        """Close what is too slow; to be called every `SWEEP` seconds."""
        self.date = formatdate(usegmt=True).encode()
        self.state.default_headers = [(b"date", self.date)]
        now = self.clock()
        for connection in list(self._open):
            connection.look_at_the_clock(now)

    def close_idle(self) -> None:
        """Close those that wait for no answer."""
        for connection in list(self._open):
            connection.close_if_idle()


class Connection(HttpToolsProtocol):
    """One of them.

    Attributes:
        place: On the board.
    """

    def __init__(self, connections: Connections, place: int) -> None:
        super().__init__(connections.config, connections.state, {}, connections.loop)
        self.place = place
        self._connections = connections
        self._doing = connections.board.doing
        self._received = connections.board.received
        self._sent, self._answered = connections.board.sent, connections.board.answered
        self._is_receiving = False  # some of a request, and not all of it
        self._is_in_head = True
        self._head_bytes: Byte = 0
        self._since = connections.clock()  # what is being received, or sent, or nothing of either
        self._unsent: Byte = 0  # at the last look, and since when it is as much
        self._unsent_since = self._since
        self._short_body: bytes | None = None  # of a request that may take the shortcut
        self._short_headers: dict[bytes, bytes] = {}

    # ---- what happens to it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        counted = CountedTransport(transport, self._connections.board, self.place)
        super().connection_made(counted)  # type: ignore[arg-type] # it has what uvicorn asks of one
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._connections.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, which may be the beginning of a request, or several."""
        if not self._is_receiving:
            self._begin()
        # After `_begin`: whoever finds bytes counted here also finds that they are a request's.
        self._received[self.place] += len(data)
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > self._connections.limits.head_bytes:
            self._refuse_head()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client sends no more; what it has asked is answered all the same."""
        if self._is_receiving or not self._waits_for_answer:
            return None
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A request begins, perhaps one behind another."""
        if not self._is_receiving:
            self._begin()
        # The rest of what uvicorn makes here is made where it is needed.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Let the application begin."""
        most = self._connections.limits.head_bytes
        if self._head_bytes > most and sum(len(name) + len(value) + 4 for name, value in self.headers) > most:
            self._refuse_head()
            raise _RefusedError
        self._is_in_head = False
        if self.url == shortcut.URL and not self._waits_for_answer and self.parser.get_method() == b"POST":
            self._short_headers = dict(self.headers)
            if shortcut.fits(self._short_headers) and not self.parser.should_upgrade():
                self._short_body = b""
                return
        self._begin_ordinarily()

    def _begin_ordinarily(self) -> None:
        """Let uvicorn make a request of what the parser has found, and start the application."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        self.scope[ARRIVED] = self._since  # type: ignore[literal-required] # ASGI lets a server add keys
        super().on_headers_complete()
        if self._connections.is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of a body is there."""
        if self._short_body is None:
            super().on_body(body)
        else:
            self._short_body += body

    def on_message_complete(self) -> None:
        """All of a request is there."""
        self._is_receiving = False
        self._is_in_head = True
        self._head_bytes = 0
        body, self._short_body = self._short_body, None
        if body is not None:
            keeps = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
            begun = shortcut.begin(
                self._connections.app.service,
                self,
                self._short_headers,
                body,
                self._since,
                keep_alive=keeps and not self._connections.is_ending,
            )
            if begun:
                self.cycle = begun  # type: ignore[assignment] # it has what uvicorn asks of one
                return
            self._begin_ordinarily()
            super().on_body(body)
        super().on_message_complete()

    def answer_shortly(self, request: shortcut.Shortcut, answer: Answer) -> None:
        """Send the answer of a request that took the shortcut."""
        request.response_complete = True
        if request.disconnected or self.transport.is_closing():
            return
        content = shortcut.as_bytes(answer, self._connections.date)
        if not request.keep_alive:
            content = content.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
        self._mark_answered(is_last=not request.keep_alive)  # before any of it can leave
        self.transport.write(content)
        self._connections.app.count("price", "POST", "/v1/price", answer, request.arrived)
        if not request.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """A request is answered."""
        is_closing = self.transport.is_closing()
        self._mark_answered(is_last=is_closing)
        if self.pipeline:
            super().on_response_complete()
        elif not is_closing:
            # What uvicorn does, but for the timer: idle connections are found by their time.
            self.flow.resume_reading()
        self._connections.answered(self)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, f"expected HTTP/1.1, found another text: {msg.rstrip('.').lower()}.")

    # ---- what it is doing

    def _begin(self) -> None:
        self._is_receiving = True
        self._since = self._connections.clock()
        # A quick client asks again before `settle` has run: uvloop reads from sockets before it calls what is due.
        if not self._waits_for_answer and not self.transport.get_write_buffer_size():
            self._sent[self.place] = self._answered[self.place]
        self._doing[self.place] = Doing.REQUEST

    def _mark_answered(self, *, is_last: bool) -> None:
        """Say on the board that nothing is left to answer, unless there is."""
        if is_last:
            self._doing[self.place] = Doing.LAST
        elif not self._is_receiving and not self.pipeline:
            self._doing[self.place] = Doing.ANSWER

    @property
    def _waits_for_answer(self) -> bool:
        cycle = self._last
        return bool(self.pipeline) or (cycle is not None and not cycle.response_complete)

    @property
    def _last(self) -> RequestResponseCycle | None:
        """The last request that began; None before the first, which uvicorn's type does not say."""
        return self.cycle

    def settle(self) -> None:
        """Say on the board that all is answered and sent, if it is."""
        if self._waits_for_answer or self.transport.is_closing():
            return
        is_sent = not self.transport.get_write_buffer_size()
        if self._is_receiving:
            if is_sent:
                self._sent[self.place] = self._answered[self.place]
            return
        if is_sent:
            self._connections.board.settle(self.place)
        self._since = self._connections.clock()

    def look_at_the_clock(self, now: Second) -> None:
        """Close it where the client has taken too long to send, or to take what was sent."""
        limits, unsent = self._connections.limits, self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
            if not unsent:
                self.settle()
        if unsent:
            if now - self._unsent_since > limits.receive_timeout:
                self._nobody_listens()
                self.transport.abort()
            return
        waited = now - self._since
        if self._is_receiving:
            if waited > limits.receive_timeout:
                self._refuse(408, f"the request did not arrive within {limits.receive_timeout:g} s.")
        elif self._last is None:
            if waited > limits.receive_timeout:
                self.transport.close()  # it never asked for anything
        elif not self._waits_for_answer and waited > limits.idle_timeout:
            self.transport.close()

    def close_if_idle(self) -> None:
        """Close it unless a request is being received or answered; one that is being answered is closed after that."""
        if self._is_receiving:
            return
        if self._waits_for_answer:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _nobody_listens(self) -> None:
        """Tell the application before it writes to what is closed."""
        cycle = self._last
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    # ---- refusing

    def _refuse_head(self) -> None:
        self._refuse(431, f"expected at most {self._connections.limits.head_bytes:,} bytes of headers, found more.")

    def _refuse(self, status: int, message: str) -> None:
        """Answer in place of the application, and close."""
        if self.transport.is_closing():
            return
        self._nobody_listens()
        self._doing[self.place] = Doing.LAST
        self.transport.write(response(status, message))
        self.transport.close()
        self._connections.counters.request("other", status, self._connections.clock() - self._since)


class _RefusedError(Exception):
    """Ends the parsing of a connection that was refused."""
