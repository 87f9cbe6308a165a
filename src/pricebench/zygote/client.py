"""Starting a zygote, asking its children, with a time limit on every answer; and ending all of it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pricebench.errors import PricebenchError
from pricebench.units import Second
from pricebench.zygote.process import CAN_FORK

START_LIMIT: Second = 180.0  # for imports


class ChildError(PricebenchError):
    """A process crashed, hung, or said why it cannot."""


class RefusalError(ChildError):
    """A process said why it cannot."""


class Zygote:
    """One child after another; a context that leaves no process behind."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        limit: Second,
        folder: Path | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            command: Python's arguments, for a program that calls `fork_for_each_request`.
            environment: All of its variables.
            log: Gets what it and its children print.
            limit: Seconds that an answer may take.
            folder: Where it runs; by default here.
        """
        self._command = [sys.executable, *command]
        self._environment = dict(environment)
        self._log = log
        self._limit = limit
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._is_serving = False  # a child, or an attempt at one
        self._child: int | None = None
        self.cpu_seconds: Second = 0.0  # of the children that have ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def child(self, **request: object) -> Iterator[dict[str, Any]]:
        """A fresh process that serves this request; ended on leaving.

        Yields:
            Its first answer.

        Raises:
            RefusalError: It said why it cannot serve.
            ChildError: It died, or did not answer in time.
        """
        self._start()
        self._is_serving = True
        try:
            self._send(request)
            self._child = self._receive(START_LIMIT)["pid"]
            yield self._receive(START_LIMIT)
        finally:
            self._end_child()

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request to the child and wait for its answer.

        Raises:
            RefusalError: The child said why it cannot.
            ChildError: It died, or did not answer in time.
        """
        self._send(request)
        return self._receive(self._limit)

    def _send(self, request: Mapping[str, object]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # whoever waits for the answer learns what happened
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _receive(self, limit: Second) -> dict[str, Any]:
        assert self._process is not None
        try:
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            raise ChildError(f"no answer within {limit:.0f} s; ended") from None
        answer: dict[str, Any] = json.loads(line) if line else {"ended": self._process.wait()}
        if "ended" in answer:
            self._is_serving = False
            self.cpu_seconds = answer.get("cpu_seconds", self.cpu_seconds)
            raise ChildError(f"the process ended ({exit_text(answer['ended'])}){self._last_words()}")
        if "failure" in answer:
            raise RefusalError(str(answer["failure"]))
        return answer

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._answers = queue.Queue()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=self._environment,
                cwd=self._folder,
                # Ctrl-C reaches the parent alone, which then ends this one in good order.
                start_new_session=CAN_FORK,
            )
        threading.Thread(target=_collect, args=(self._process, self._answers.put), daemon=True).start()

    def _end_child(self) -> None:
        """The process that served is gone when this returns."""
        child, self._child = self._child, None
        if not self._is_serving:
            return
        self._is_serving = False
        if child is None or not CAN_FORK:
            # Not even its number is known, or it is the process itself.
            self.stop()
            return
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        with suppress(queue.Empty):
            while line := self._answers.get(timeout=START_LIMIT):
                answer = json.loads(line)
                if "ended" in answer:
                    self.cpu_seconds = answer["cpu_seconds"]
                    return

    def stop(self) -> None:
        """End the zygote and its child."""
        if self._process is None:
            return
        if CAN_FORK and self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process = None

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()[:200]}" if lines else ""


def exit_text(code: int) -> str:
    """How a process ended, in words: `signal SIGKILL`, `exit code 3`."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _collect(process: subprocess.Popen[str], put: Callable[[str], None]) -> None:
    assert process.stdout is not None
    with suppress(ValueError):  # closed by the parent
        for line in process.stdout:
            put(line)
    put("")
