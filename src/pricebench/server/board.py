"""Memory that supervisor and workers share: what each connection is doing, and what each worker has counted.

A worker writes, and nobody else writes the same places; when it was killed, what it wrote is still there.
"""

from __future__ import annotations

import mmap
import os
from enum import IntEnum

_NUMBER = 8  # bytes of a float64, and of a count


class Doing(IntEnum):
    """What a connection is doing.

    Attributes:
        NOTHING: Between two requests: all that was received is answered, and sent.
        REQUEST: Some of a request was received, and nothing of its answer was sent.
        ANSWER: Some of an answer may have been sent.
    """

    NOTHING = 0
    REQUEST = 1
    ANSWER = 2


class Board:
    """The shared memory.

    Attributes:
        descriptor: To be inherited by workers.
        doing: `Doing` by place of the connection, a byte each.
        received: Bytes taken from each connection, ever.
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
        size = _NUMBER * (places + processes * numbers) + places
        memory = memoryview(mmap.mmap(descriptor, size))
        ends = (places * _NUMBER, (places + processes * numbers) * _NUMBER)
        self.received = memory[: ends[0]].cast("Q")
        self._numbers = memory[ends[0] : ends[1]].cast("d")
        self.doing = memory[ends[1] :]
        self._per_process = numbers
        self.processes = processes

    @classmethod
    def make(cls, *, places: int, processes: int, numbers: int) -> Board:
        """Memory of zeros, in no file."""
        descriptor = os.memfd_create("pricebench-serve")
        os.ftruncate(descriptor, _NUMBER * (places + processes * numbers) + places)
        return cls(descriptor, places=places, processes=processes, numbers=numbers)

    def numbers(self, process: int) -> memoryview[float]:
        """What one process counts, float64."""
        return self._numbers[process * self._per_process : (process + 1) * self._per_process]
