"""How much of a time the machine's limits explain: the roofline, with the cost of calls beside it. No torch.

Williams, Waterman and Patterson, "Roofline" (2009): arithmetic at the peak rate and compulsory bytes at the bandwidth
overlap at best, so a call takes at least the longer of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pricebench.limits.records import Limits, Precision, Rate
from pricebench.units import Byte, Flop, Second

_EXPLAINS = 0.5  # of a time: what binds it must account for half


class Bound(StrEnum):
    """What binds a benchmark."""

    ARITHMETIC = "arithmetic"
    MEMORY = "memory"
    DISPATCH = "dispatch"
    OTHER = "something else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """The least time that a call can take.

    Attributes:
        arithmetic: Seconds that its products need at the peak.
        memory: Seconds that its compulsory bytes need.
        dispatch: Seconds that its operators need before they do anything, or None where they were not counted.
    """

    arithmetic: Second
    memory: Second
    dispatch: Second | None

    @property
    def seconds(self) -> Second:
        """The longer of arithmetic and memory: no way to run a model can do without them."""
        return max(self.arithmetic, self.memory)

    def share_of(self, measured: Second) -> float:
        """The part of a measured time that the limit needs."""
        return self.seconds / measured

    def binds(self, measured: Second) -> Bound:
        """What explains at least half of a measured time."""
        parts = {Bound.ARITHMETIC: self.arithmetic, Bound.MEMORY: self.memory, Bound.DISPATCH: self.dispatch or 0.0}
        bound, seconds = max(parts.items(), key=lambda part: part[1])
        return bound if seconds >= _EXPLAINS * measured else Bound.OTHER


def roof(
    limits: Limits, *, flop: Flop, size: Byte, threads: int, precision: Precision, operators: int | None = None
) -> Roof | None:
    """The limit of a call; None where this was not measured for so many threads or this precision.

    Args:
        limits: Of the machine.
        flop: Of its matrix products.
        size: Its compulsory bytes.
        threads: That it may use.
        precision: Of its products.
        operators: That it calls.
    """
    best = peak(limits, threads=threads, precision=precision)
    bandwidth = bandwidth_for(limits, size, threads)
    if best is None or bandwidth is None:
        return None
    call = limits.calls.get("operator")
    return Roof(
        arithmetic=flop / best.flop_per_second,
        memory=size / bandwidth,
        dispatch=operators * call if operators is not None and call is not None else None,
    )


def peak(limits: Limits, *, threads: int, precision: Precision) -> Rate | None:
    """The fastest product of all libraries that computed it in full precision."""
    return max(
        (
            rate
            for rate in limits.rates
            if rate.threads == threads and rate.precision is precision and rate.arithmetic == precision
        ),
        key=lambda rate: rate.flop_per_second,
        default=None,
    )


def bandwidth_for(limits: Limits, size: Byte, threads: int) -> float | None:
    """Bytes a second from the memory that holds so many: of the smallest array that was measured and is as large."""
    measured = sorted((each for each in limits.bandwidths if each.threads == threads), key=lambda each: each.size)
    if not measured:
        return None
    # A larger array is read no faster; where it was, the smaller one's figure was spoilt by the cost of its calls.
    fitting = [each for each in measured if each.size >= size] or measured[-1:]
    return max(each.per_second for each in fitting)
