"""Which workers are hung: their loops have stopped turning, while this process was awake to see it."""

from __future__ import annotations

from collections.abc import Mapping

from pricebench.units import Second

_MOST_AT_ONCE: Second = 1.5
"""A look counts for at most this long. After a pause of everything (a suspended machine, a frozen container) or of this
process, nobody knows what the workers did meanwhile; a process that looks every second is not slowed by this."""


class Heartbeats:
    """How long each worker has been silent."""

    def __init__(self, patience: Second) -> None:
        """Begin.

        Args:
            patience: Time after which a silent worker is hung.
        """
        self._patience = patience
        self._beats: dict[int, float] = {}
        self._silent: dict[int, Second] = {}
        self._looked_at: Second | None = None

    def hung(self, beats: Mapping[int, float], now: Second) -> list[int]:
        """Those of these workers that are hung.

        Args:
            beats: By worker, a number that changes with each turn of its loop.
            now: The time.
        """
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, _MOST_AT_ONCE)
        self._looked_at = now
        for worker, beat in beats.items():
            is_silent = self._beats.get(worker) == beat
            self._silent[worker] = self._silent[worker] + passed if is_silent else 0.0
            self._beats[worker] = beat
        for worker in self._beats.keys() - beats.keys():
            del self._beats[worker], self._silent[worker]
        hung = [worker for worker in beats if self._silent[worker] > self._patience]
        self._silent.update(dict.fromkeys(hung, 0.0))  # it is told once, not at every look until it is gone
        return hung
