"""What is compiled while a model serves, and should not be; what is prepared beside it may compile."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator


def num_compilations() -> int:
    """What was compiled in this process: code that TorchDynamo looked at, and packages made ahead of time."""
    # Nothing was compiled where it was never imported, and importing it takes a second.
    dynamo = sys.modules.get("torch._dynamo.utils")
    packages = sys.modules.get("pricebench.modes.packages")
    graphs = int(dynamo.counters["frames"]["total"]) if dynamo else 0
    return graphs + (packages.num_compiled() if packages else 0)


class Unexpected:
    """Counts for the thread that serves.

    While another thread prepares a model, the process's count is of both; compilations are then told apart by the
    thread in which each begins.
    """

    def __init__(self) -> None:
        self._thread = 0
        self._num = 0
        self._before = num_compilations()
        self._num_beside = 0
        self._is_expected = False

    @property
    def num(self) -> int:
        """How many there were until now."""
        self._look()
        return self._num

    @contextlib.contextmanager
    def prepared_beside(self) -> Iterator[None]:
        """Another thread than this, which serves, compiles for a model that does not serve yet."""
        self._look()
        self._thread = threading.get_ident()
        self._num_beside += 1
        # Where it was never imported, no model serves that could compile.
        dynamo = sys.modules.get("torch._dynamo.callback")
        if dynamo and self._num_beside == 1:
            dynamo.callback_handler.register_start_callback(self._begins)
        try:
            yield
        finally:
            self._num_beside -= 1
            if not self._num_beside:
                self._before = num_compilations()
                if dynamo and self._begins in dynamo.callback_handler.start_callbacks:
                    dynamo.callback_handler.remove_start_callback(self._begins)

    @contextlib.contextmanager
    def expected(self) -> Iterator[None]:
        """This thread compiles, for a model that does not serve yet."""
        self._is_expected = True
        try:
            yield
        finally:
            self._is_expected = False

    def _begins(self, _: object) -> None:
        if threading.get_ident() == self._thread and not self._is_expected:
            self._num += 1

    def _look(self) -> None:
        if not self._num_beside:
            now = num_compilations()
            self._num += now - self._before
            self._before = now
