"""Messages between supervisor and worker, one of which may carry an open connection.

Each message is a JSON object in a packet of its own (a Unix socket of kind SEQPACKET): none is ever half there.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any, NamedTuple

_MOST_BYTES = 1 << 16


class ChannelClosedError(Exception):
    """The other process has ended."""


class Message(NamedTuple):
    """What was received.

    Attributes:
        content: A JSON object.
        connection: That came with it, or None.
    """

    content: dict[str, Any]
    connection: socket.socket | None


class Channel:
    """One end."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Both ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Channel:
        """The end that a process was started with."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """For whoever waits until something can be received."""
        return self._socket.fileno()

    def send(self, connection: socket.socket | None = None, /, **content: Any) -> bool:
        """Send a message, and a copy of a connection with it.

        Returns:
            Whether there was room for it.

        Raises:
            ChannelClosedError: Nobody will receive it.
        """
        packet = json.dumps(content).encode()
        try:
            if connection is None:
                self._socket.send(packet)
            else:
                socket.send_fds(self._socket, [packet], [connection.fileno()])
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosedError from error
        return True

    def receive(self) -> Message | None:
        """The next message; None where none is there and the channel does not block.

        Raises:
            ChannelClosedError: There will be none.
        """
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._socket, _MOST_BYTES, 1)
        except BlockingIOError:
            return None
        except ConnectionResetError as error:
            raise ChannelClosedError from error
        if not packet:
            raise ChannelClosedError
        connection = socket.socket(fileno=descriptors[0]) if descriptors else None
        return Message(json.loads(packet), connection)

    def set_blocking(self, *, is_blocking: bool) -> None:
        """Whether sending and receiving wait."""
        self._socket.setblocking(is_blocking)

    def close(self) -> None:
        """Tell the other end that nothing will come."""
        with contextlib.suppress(OSError):
            self._socket.close()
