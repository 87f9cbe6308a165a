"""What becomes of a connection whose worker has died: it moves to another worker, or it is refused, or it is closed.

The kernel knows how many bytes of a connection were ever taken from it, and the worker has written down how many it has
dealt with: where the two differ, a request was in the worker's hands.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from enum import Enum

from pricebench.server.board import Doing

# linux/tcp.h, struct tcp_info: tcpi_bytes_received, since Linux 4.1.
_INFO_BYTES = 256
_BYTES_RECEIVED = 128
_TRIES = 5


class Fate(Enum):
    """What to do with a connection."""

    MOVE = "nothing of a request was taken from it: another worker goes on"
    REFUSE = "a request was taken and not answered: 503"
    CLOSE = "an answer may have been sent in part: whoever waits for the rest must not wait"


def fate(sock: socket.socket, doing: int, received: int) -> Fate:
    """Decide about a connection.

    Args:
        sock: The copy that was kept.
        doing: What the worker said that it was doing.
        received: Bytes that the worker said it had taken.
    """
    if doing == Doing.ANSWER:
        return Fate.CLOSE
    if doing == Doing.REQUEST:
        return Fate.REFUSE
    taken = bytes_taken(sock)
    return Fate.MOVE if taken == received else Fate.REFUSE


def bytes_taken(sock: socket.socket) -> int | None:
    """Bytes that were ever read from a TCP connection, by any process; None where the system does not tell."""
    for _ in range(_TRIES):
        before = _bytes_received(sock)
        waiting = struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4))[0]
        # Some more may have come between the two questions.
        if before is None or before == _bytes_received(sock):
            return None if before is None else before - waiting
    return None


def _bytes_received(sock: socket.socket) -> int | None:
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    if len(info) < _BYTES_RECEIVED + 8:
        return None
    return int(struct.unpack_from("Q", info, _BYTES_RECEIVED)[0])


def is_asking(sock: socket.socket) -> bool:
    """Whether something has come that nobody has read."""
    try:
        return bool(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4))[0])
    except OSError:
        return False
