"""What a report says: the highest rate that each server held, beside ours, and whether memory grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pricebench.traffic.records import Probe, Purpose, Report, Server, Soak, Traffic
from pricebench.units import Second

_KIB = 1024
_MINUTE = 60.0
_WARM_UP = 0.2  # of a soak: what allocators take at first is no growth


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """How memory grew, by least squares.

    Attributes:
        kib_per_minute: KiB a minute.
        error: Its standard error, from the residuals, with two parameters taken from the degrees of freedom.
    """

    kib_per_minute: float
    error: float

    @property
    def is_flat(self) -> bool:
        """Whether it is within two standard errors of zero, or below."""
        return self.kib_per_minute <= 2 * self.error


def highest(report: Report, server: str, traffic: Traffic) -> Probe | None:
    """The probe of the highest rate that was held and confirmed; None where there is none."""
    confirmed = [probe for probe in report.of(server, traffic) if probe.purpose is Purpose.CONFIRM and probe.is_held]
    return max(confirmed, key=lambda probe: probe.rate, default=None)


def best_of_ours(report: Report, traffic: Traffic) -> Probe | None:
    """The same of the fastest of our servers."""
    ours = [highest(report, server.name, traffic) for server in report.servers if server.is_ours]
    return max((probe for probe in ours if probe), key=lambda probe: probe.rate, default=None)


def measured(report: Report) -> list[Server]:
    """The servers that could be asked: ours first, then as they were listed."""
    return sorted((server for server in report.servers if not server.missing), key=lambda server: not server.is_ours)


def times_ours(report: Report, server: str, traffic: Traffic) -> float | None:
    """How many times a server's highest rate our highest is; None where one is not known."""
    ours, theirs = best_of_ours(report, traffic), highest(report, server, traffic)
    return ours.rate / theirs.rate if ours and theirs else None


def at_rate(report: Report, server: str, traffic: Traffic, rate: float) -> Probe | None:
    """The last probe at a fixed rate."""
    found = [probe for probe in report.of(server, traffic) if probe.purpose is Purpose.FIXED and probe.rate == rate]
    return found[-1] if found else None


def fixed_rates(report: Report, traffic: Traffic) -> list[float]:
    """Rates at which servers were asked side by side."""
    return sorted(
        {probe.rate for probe in report.probes if probe.traffic is traffic and probe.purpose is Purpose.FIXED}
    )


def half_of_ours(report: Report, traffic: Traffic) -> float | None:
    """Half of our highest rate, at which every server is asked too, as a whole number."""
    ours = best_of_ours(report, traffic)
    return None if ours is None else float(round(ours.rate / 2))


def slope(soak: Soak) -> Slope | None:
    """Growth of memory after its first fifth; None with fewer than three readings."""
    begin = _WARM_UP * soak.seconds
    kept = [(time, size) for time, size in zip(soak.times, soak.resident, strict=True) if time >= begin]
    return growth([time for time, _ in kept], [size for _, size in kept])


def growth(times: Sequence[Second], resident: Sequence[int]) -> Slope | None:
    """A straight line through readings of memory, in bytes; None with fewer than three, or none apart in time."""
    if len(times) < 3 or max(times) == min(times):
        return None
    minutes, kib = np.array(times) / _MINUTE, np.array(resident, np.float64) / _KIB
    centred = minutes - minutes.mean()
    spread = float(centred @ centred)
    rise = float(centred @ kib) / spread
    residuals = kib - kib.mean() - rise * centred
    return Slope(kib_per_minute=rise, error=float(np.sqrt(residuals @ residuals / (len(times) - 2) / spread)))
