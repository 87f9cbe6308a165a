"""One arm of a block: what runs, and the driver's end of its socket, with a time limit on every answer."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pricebench.paired.records import PairedError
from pricebench.units import Second

TIME_LIMIT: Second = 600.0  # a fixture may train a model


class WorkerError(PairedError):
    """A worker died, or did not answer in time.

    Attributes:
        arm: Whose; empty where it is nobody's own.
    """

    def __init__(self, sentence: str, arm: str = "") -> None:
        super().__init__(sentence)
        self.arm = arm


class EndedError(Exception):
    """A case raised while it was asked for something.

    Attributes:
        arm: Whose.
        outcome: `failed` or `skipped`.
        reason: What it said.
    """

    def __init__(self, arm: str, outcome: str, reason: str) -> None:
        super().__init__(f"{outcome}: {reason}")
        self.arm = arm
        self.outcome = outcome
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What runs as an arm.

    Attributes:
        arm: Its key in a block's records; it becomes a part of a file's name.
        folder: Where it runs.
        python: Of its environment.
        target: `module:function` that is imported and called after the fork; it answers as `paired.answering` says.
        arguments: Of the function, by name; as JSON has them.
        path: Folders that its imports come from, before those of its Python.
        environment: Variables of its own.
        name: In sentences, such as "pytest on base"; the arm's if empty.
        remedy: What a person can do when it ends or hangs, a sentence.
    """

    arm: str
    folder: Path
    python: Path
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    remedy: str = "Run it again."


class Worker:
    """The driver's end of one arm's process."""

    def __init__(self, process: Process, connection: socket.socket, log: Path) -> None:
        self.process = process
        self._name = process.name or process.arm
        self._connection = connection
        self._log = log
        self._rest = b""

    def say(self, **request: object) -> None:
        """Send a request; whoever waits for the answer learns if nobody is there."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(json.dumps(request).encode() + b"\n")

    def ask(self, **request: object) -> dict[str, Any]:
        """The answer of a case that was reached.

        Raises:
            EndedError: The case raised instead of answering; it is over.
            WorkerError: As `hear`.
        """
        self.say(**request)
        answer = self.hear()
        if "ended" in answer:
            raise EndedError(self.process.arm, answer["outcome"], answer["reason"])
        if "finished" in answer:
            raise self.left_early()
        return answer

    def left_early(self) -> WorkerError:
        """What to raise where the process finished and cases were left."""
        return self._error("ended before all its tests had run")

    def hear(self, limit: Second = TIME_LIMIT) -> dict[str, Any]:
        """The next message.

        Raises:
            WorkerError: The process ended, or said nothing for too long.
        """
        deadline = time.monotonic() + limit
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._connection], [], [], max(0.0, left))
            if not ready:
                raise self._error(f"said nothing for {limit:.0f} s")
            try:
                received = self._connection.recv(1 << 16)
            except ConnectionResetError:
                received = b""
            if not received:
                raise self._error(f"ended: {self._last_words().rstrip('.')}")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Hang up; the process ends at its next word."""
        self._connection.close()

    def _error(self, what: str) -> WorkerError:
        return WorkerError(f"{self._name} {what}. {self.process.remedy}", self.process.arm)

    def _last_words(self) -> str:
        """What it printed that says why, in one line."""
        with suppress(OSError):
            lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith(("E ", "ERROR", "ImportError", "pytest: error"))]
            if chosen := (errors or lines)[-1:]:
                return chosen[0].removeprefix("E ").strip()[:300]
        return "it printed nothing"
