"""A line of JSON per request, where one is asked for: what was asked, how it went, how long it took, and no house."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable

from pricebench.server.answers import Answer, as_json
from pricebench.units import Second


class RequestLog:
    """Appends to a file, a line in a single write: workers share the file and never a line."""

    def __init__(self, descriptor: int, worker: int, *, now: Callable[[], Second] = time.time) -> None:
        """Write there.

        Args:
            descriptor: Of the file.
            worker: Its number.
            now: Seconds since 1970.
        """
        self._descriptor = descriptor
        self._worker = worker
        self._now = now

    @classmethod
    def open(cls, name: str, worker: int) -> RequestLog:
        """A file, or stdout for `-`.

        Raises:
            OSError: It cannot be written.
        """
        if name == "-":
            return cls(sys.stdout.fileno(), worker)
        return cls(os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640), worker)

    def write(self, method: str, path: str, answer: Answer, seconds: Second) -> None:
        """Add a request; a disk that is full costs the line, not the answer."""
        line = {
            "time": round(self._now(), 6),
            "worker": self._worker,
            "method": method,
            "path": path,
            "status": answer.status,
            "seconds": round(seconds, 6),
            "houses": answer.num_houses,
            "bytes": len(answer.body),
        }
        with contextlib.suppress(OSError):
            os.write(self._descriptor, as_json(line) + b"\n")
