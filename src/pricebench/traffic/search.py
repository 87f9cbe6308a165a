"""Which rate to try next: doubling until one fails, then halves of what is between, then a longer probe of the best.

A search remembers nothing: it is worked out from the probes that were made, so a run that was stopped goes on where it
was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pricebench.traffic.records import BOUND, Probe, Purpose, Traffic

FIRST = {Traffic.ONE: 500.0, Traffic.MIXED: 125.0}
"""Requests a second that any server should hold."""

PRECISION = 1.06
"""The search ends when the lowest rate that failed is at most so many times the highest that was held."""

_LEAST = 4.0
_HOPELESS = 4 * BOUND
_STEP_BACK = 0.95
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A probe to make.

    Attributes:
        purpose: `SEARCH`, or `CONFIRM` for a longer one.
        rate: Requests a second.
    """

    purpose: Purpose
    rate: float


def next_step(probes: Sequence[Probe], *, first: float, precision: float = PRECISION) -> Step | None:
    """What to probe next; None where the highest rate is known, or the server holds none.

    A rate fails when it was not held three times: a neighbour on the machine may spoil a probe. What is far from
    being held is not tried again.

    Args:
        probes: Of one server and traffic, in order; those at fixed rates are passed over.
        first: The rate to begin with.
        precision: Where to stop.
    """
    held, failed, undecided = _judged([probe for probe in probes if probe.purpose is Purpose.SEARCH])
    if undecided:
        return Step(purpose=Purpose.SEARCH, rate=undecided)
    if not failed:
        return Step(purpose=Purpose.SEARCH, rate=2 * max(held) if held else first)
    low = max((rate for rate in held if rate < min(failed)), default=None)
    if low is None:
        lower = min(failed) / 4
        return Step(purpose=Purpose.SEARCH, rate=lower) if lower >= _LEAST else None
    if min(failed) > low * precision:
        return Step(purpose=Purpose.SEARCH, rate=(low * min(failed)) ** 0.5)
    confirming = [probe for probe in probes if probe.purpose is Purpose.CONFIRM]
    if any(probe.is_held for probe in confirming):
        return None
    _, refuted, again = _judged(confirming)
    # Each step back is longer than the one before: one after another of the same length took a quarter of an hour.
    rate = again or (min(refuted) * _STEP_BACK ** len(refuted) if refuted else low)
    return Step(purpose=Purpose.CONFIRM, rate=rate) if rate >= _LEAST else None


def _judged(probes: Sequence[Probe]) -> tuple[list[float], list[float], float | None]:
    """Rates that were held, rates that failed, and one that has to be tried again."""
    tries: dict[float, list[Probe]] = {}
    for probe in probes:
        tries.setdefault(probe.rate, []).append(probe)
    held, failed = [], []
    undecided = None
    for rate, made in tries.items():
        if any(probe.is_held for probe in made):
            held.append(rate)
        elif len(made) >= _TRIES or made[0].latency.p99 > _HOPELESS:
            failed.append(rate)
        else:
            undecided = rate
    return held, failed, undecided
