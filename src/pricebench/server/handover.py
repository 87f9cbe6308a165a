"""What becomes of a connection whose worker has died: it moves to another worker, or it is refused, or it is closed.

The worker has written down how many bytes it has dealt with, in and out, and the kernel knows how many it really took
and sent. Where the two differ, a request was in the worker's hands, or an answer was on its way.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from enum import Enum

from pricebench.server.board import Doing, State
from pricebench.units import Byte

# linux/tcp.h, struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received, since Linux 4.1.
_INFO_BYTES = 256
_BYTES_ACKED = 120
_BYTES_RECEIVED = 128
_TRIES = 5


class Fate(Enum):
    """What to do with a connection."""

    MOVE = "no request was taken from it that is not answered: another worker goes on"
    REFUSE = "a request was taken, and nothing of its answer has left: 503"
    CLOSE = "an answer may have left, perhaps in part: whoever waits for more must not wait"


def fate(sock: socket.socket, state: State) -> Fate:
    """Decide about a connection.

    Args:
        sock: The copy that was kept.
        state: What the worker has written down.
    """
    if state.doing == Doing.NOTHING:
        return _of_what_was_taken(sock, state)
    sent = bytes_sent(sock)
    if state.sent in (sent, state.answered):
        return Fate.REFUSE
    if sent == state.answered and state.doing == Doing.ANSWER:
        return _of_what_was_taken(sock, state)
    return Fate.CLOSE


def _of_what_was_taken(sock: socket.socket, state: State) -> Fate:
    return Fate.MOVE if bytes_taken(sock) == state.received else Fate.REFUSE


def bytes_taken(sock: socket.socket) -> Byte | None:
    """Bytes that were ever read from a TCP connection, by any process; None where the system does not tell."""
    return _told_twice(sock, _BYTES_RECEIVED, lambda: -_asked(sock, termios.FIONREAD))


def bytes_sent(sock: socket.socket) -> Byte | None:
    """Bytes that were ever written to a TCP connection, by any process; None where the system does not tell."""
    return _told_twice(sock, _BYTES_ACKED, lambda: _asked(sock, termios.TIOCOUTQ))


def _told_twice(sock: socket.socket, offset: int, waiting: Callable[[], Byte]) -> Byte | None:
    """A count of the kernel, and what waits beside it, of one moment: some more may come between two questions."""
    for _ in range(_TRIES):
        before = _counted(sock, offset)
        beside = waiting()
        if before is None or before == _counted(sock, offset):
            return None if before is None else before + beside
    return None


def _asked(sock: socket.socket, request: int) -> Byte:
    return int(struct.unpack("i", fcntl.ioctl(sock, request, b"\0" * 4))[0])


def _counted(sock: socket.socket, offset: int) -> Byte | None:
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    if len(info) < offset + 8:
        return None
    return int(struct.unpack_from("Q", info, offset)[0])


def is_asking(sock: socket.socket) -> bool:
    """Whether something has come that nobody has read."""
    try:
        return bool(_asked(sock, termios.FIONREAD))
    except OSError:
        return False
