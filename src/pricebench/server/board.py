"""Memory that supervisor and workers share: what each connection is doing, and what each worker has counted.

A worker writes, and nobody else writes the same places; when it was killed, what it wrote is still there.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

from pricebench.units import Byte

_NUMBER = 8  # bytes of a float64, and of a count
_COUNTS = 3  # of each connection


class Doing(IntEnum):
    """What a connection is doing.

    Attributes:
        NOTHING: Between two requests: all that was received is answered, and sent.
        REQUEST: Some of a request was received, and it is not answered.
        ANSWER: All that was received is answered, and the answer may not be sent yet.
        LAST: As `ANSWER`, and the connection is closed after it.
    """

    NOTHING = 0
    REQUEST = 1
    ANSWER = 2
    LAST = 3


@dataclass(frozen=True)
class State:
    """What a worker has written down about a connection.

    Attributes:
        doing: What it was doing.
        received: Bytes that the worker has taken, ever.
        sent: Bytes of answers, all of which have gone to the kernel, ever.
        answered: Those, and bytes of answers that were about to go there.
    """

    doing: Doing = Doing.NOTHING
    received: Byte = 0
    sent: Byte = 0
    answered: Byte = 0


class Board:
    """The shared memory.

    Attributes:
        descriptor: To be inherited by workers.
        doing: `Doing` by place of the connection, a byte each.
        received: As in `State`, by place; 8 bytes each.
        sent: Likewise.
        answered: Likewise.
    """

    def __init__(self, descriptor: int, *, places: int, processes: int, numbers: int) -> None:
        """Map what `make` made.

        Args:
            descriptor: Of the memory.
            places: For connections.
            processes: That count.
            numbers: Of each process.
        """
        self.descriptor = descriptor
        memory = memoryview(mmap.mmap(descriptor, _size(places, processes, numbers)))
        lengths = (*[places * _NUMBER] * _COUNTS, processes * numbers * _NUMBER, places)
        ends = list(accumulate(lengths))
        parts = [memory[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        self.received, self.sent, self.answered = (part.cast("Q") for part in parts[:_COUNTS])
        self._numbers = parts[_COUNTS].cast("d")
        self.doing = parts[_COUNTS + 1]
        self._per_process = numbers
        self.processes = processes

    @classmethod
    def make(cls, *, places: int, processes: int, numbers: int) -> Board:
        """Memory of zeros, in no file."""
        descriptor = os.memfd_create("pricebench-serve")
        os.ftruncate(descriptor, _size(places, processes, numbers))
        return cls(descriptor, places=places, processes=processes, numbers=numbers)

    def clear(self, place: int) -> None:
        """Begin anew where a connection was."""
        self.doing[place] = Doing.NOTHING
        self.received[place] = self.sent[place] = self.answered[place] = 0

    def settle(self, place: int) -> None:
        """Say that all that was received is answered, and all that was answered is sent."""
        # In this order: who has nothing to do is not asked what was sent.
        self.doing[place] = Doing.NOTHING
        self.sent[place] = self.answered[place]

    def state(self, place: int) -> State:
        """Of a connection."""
        return State(Doing(self.doing[place]), self.received[place], self.sent[place], self.answered[place])

    def numbers(self, process: int) -> memoryview[float]:
        """What one process counts, float64."""
        return self._numbers[process * self._per_process : (process + 1) * self._per_process]


def _size(places: int, processes: int, numbers: int) -> Byte:
    return _NUMBER * (_COUNTS * places + processes * numbers) + places
