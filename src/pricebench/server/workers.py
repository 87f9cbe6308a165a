"""A worker as the supervisor sees it: a process, a channel to it, and the connections that it was given."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pricebench.server.board import Board
from pricebench.server.channel import Channel, ChannelClosedError
from pricebench.server.settings import Settings

_PER_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Worker:
    """One of them.

    Attributes:
        number: Its place among the workers, which the one that replaces it takes.
        channel: To it.
        process: It.
        connections: By their places on the board; copies of what it has.
        is_ready: Whether it has checked its model.
        generation: Of the model that it serves; 0 before the first.
    """

    def __init__(self, number: int, channel: Channel, process: subprocess.Popen[bytes]) -> None:
        self.number = number
        self.channel = channel
        self.process = process
        self.connections: dict[int, socket.socket] = {}
        self.is_ready = False
        self.generation = 0

    @classmethod
    def start(
        cls, number: int, settings: Settings, board: Board, *, hosts: Sequence[str], generation: int, folder: Path
    ) -> Worker:
        """Start one, with the model of a folder; it may be asked under these names."""
        ours, theirs = Channel.pair()
        cores = cores_of(number, settings.threads, usable_cores())
        process = subprocess.Popen(
            [sys.executable, "-m", "pricebench.server.worker", str(theirs.fileno()), str(board.descriptor)],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), board.descriptor],
            env=os.environ
            | dict.fromkeys(_PER_THREAD, str(settings.threads))
            # A compiler's helpers would outlive a worker that is killed.
            | {"TORCHINDUCTOR_COMPILE_THREADS": "1"},
            # Ctrl-C is for the supervisor.
            start_new_session=True,
        )
        theirs.close()
        plan = {
            "settings": settings.to_json(),
            "number": number,
            "cores": cores,
            "hosts": list(hosts),
            "generation": generation,
            "folder": str(folder),
        }
        with contextlib.suppress(ChannelClosedError):  # it has died already, and that will be heard
            ours.send(**plan)
        ours.set_blocking(is_blocking=False)
        return cls(number, ours, process)

    def give(self, place: int, connection: socket.socket) -> bool:
        """Let it answer a connection, of which a copy is kept.

        Returns:
            Whether it could be told; where not, it is hung or dead.
        """
        if not self.tell(connection, place=place):
            return False
        self.connections[place] = connection
        return True

    def tell(self, connection: socket.socket | None = None, /, **content: object) -> bool:
        """Send a message.

        Returns:
            Whether there was room for it, and somebody to read it.
        """
        try:
            return self.channel.send(connection, **content)
        except ChannelClosedError:
            return False


def usable_cores() -> list[int]:
    """That this process may run on."""
    return sorted(os.sched_getaffinity(0))


def cores_of(number: int, threads: int, cores: Sequence[int]) -> list[int]:
    """Those of a worker: as many as it has threads, the first workers' first; they begin again where none are left.

    >>> [cores_of(number, 1, [2, 3]) for number in range(3)]
    [[2], [3], [2]]
    >>> cores_of(0, 8, [2, 3])
    [2, 3]
    """
    start = number * threads
    return sorted({cores[(start + index) % len(cores)] for index in range(min(threads, len(cores)))})
