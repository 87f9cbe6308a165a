"""Connections that are over: the last answer is sent, and what the client still sends is read.

It would lose the answer otherwise: closing a connection with unread data resets it, and a reset drops what was sent
and not yet read (RFC 9112, 9.6).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from pricebench.server.refusing import response
from pricebench.units import Byte, Second

_PATIENCE: Second = 2.0
_MOST_BYTES: Byte = 16 * 1024 * 1024
_MOST = 1_000
_RETRY = b"retry-after: 1"


class Lingering:
    """All of them."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Begin without any.

        Args:
            selector: Calls the data of a key that is ready.
        """
        self._selector = selector
        self._until: dict[socket.socket, Second] = {}
        self._left: dict[socket.socket, Byte] = {}

    def __len__(self) -> int:
        return len(self._until)

    def refuse(self, connection: socket.socket, why: str) -> None:
        """Answer with a 503, and close."""
        # Some hundred bytes, which the kernel takes unless the client has stopped reading.
        with contextlib.suppress(OSError):
            connection.send(response(503, why, _RETRY))
        self.close_gently(connection)

    def close_gently(self, connection: socket.socket) -> None:
        """Say that nothing more will come, and close when the client has done so too, or after a while."""
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            connection.close()
            return
        if len(self._until) >= _MOST:
            self._close(next(iter(self._until)))
        self._until[connection] = time.monotonic() + _PATIENCE
        self._left[connection] = _MOST_BYTES
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(connection))
        self._read(connection)

    def _read(self, connection: socket.socket) -> None:
        if connection not in self._until:  # closed since it was found to be readable
            return
        try:
            num_bytes = len(connection.recv(1 << 16))
        except BlockingIOError:
            return
        except OSError:
            num_bytes = 0
        self._left[connection] -= num_bytes
        if not num_bytes or self._left[connection] < 0:
            self._close(connection)

    def look_at_the_clock(self, now: Second) -> None:
        """Close those that have had their time."""
        for connection in [connection for connection, until in self._until.items() if until <= now]:
            self._close(connection)

    def close(self) -> None:
        """Close all."""
        for connection in list(self._until):
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        del self._until[connection], self._left[connection]
        self._selector.unregister(connection)
        connection.close()
