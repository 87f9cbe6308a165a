"""How much of the processor other programs, and the hypervisor, took while something was measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pricebench.units import Second

_BUSY_CORES = 0.1  # a tenth of one core: on two cores that already moves medians by percents
_STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    wall: Second
    busy: Second
    stolen: Second
    own: Second


def busy_seconds(stat: Path = _STAT) -> Second | None:
    """Processor time that all programs have used since the start, in ticks of the system's clock; None if unknown."""
    found = _busy_and_stolen(stat)
    return None if found is None else found[0]


def _busy_and_stolen(stat: Path) -> tuple[Second, Second] | None:
    try:
        fields = stat.read_text().split("\n", 1)[0].split()[1:9]
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    except (OSError, ValueError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick


class LoadMeter:
    """Measures from its making to each call of `shares` or `warnings`; knows nothing where there is no `/proc/stat`."""

    def __init__(self, clock: Callable[[], Second] = time.monotonic, stat: Path = _STAT) -> None:
        self._clock = clock
        self._stat = stat
        self._start = self._read()

    def shares(self, *, own: Second = 0.0) -> tuple[float, float] | None:
        """Cores that other programs used, and that the hypervisor withheld; None where nothing can be known.

        Args:
            own: Processor time of children that still run, which the system does not count as ours yet.
        """
        now, start = self._read(), self._start
        if now is None or start is None or now.wall <= start.wall:
            return None
        wall = now.wall - start.wall
        others = max(0.0, (now.busy - start.busy) - (now.own - start.own) - own) / wall
        return others, (now.stolen - start.stolen) / wall

    def warnings(self, *, own: Second = 0.0) -> list[str]:
        """Sentences about what disturbed the measurement; empty if nothing did, or nothing can be known.

        Args:
            own: As for `shares`.
        """
        others, stolen = self.shares(own=own) or (0.0, 0.0)
        found = []
        if others > _BUSY_CORES:
            found.append(f"busy machine: other programs used {others:.2f} cores")
        if stolen > _BUSY_CORES:
            found.append(f"busy host: the hypervisor withheld {stolen:.2f} cores")
        return found

    def _read(self) -> _Reading | None:
        found = _busy_and_stolen(self._stat)
        if found is None:
            return None
        times = os.times()
        return _Reading(
            wall=self._clock(),
            busy=found[0],
            stolen=found[1],
            own=times.user + times.system + times.children_user + times.children_system,
        )
