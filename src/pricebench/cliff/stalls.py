"""Stalls: what a step cost when something was compiled for it, in processes with an empty and with a warm cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from pricebench.cliff.records import Call, Cell
from pricebench.units import Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Single events of separate processes; seconds."""

    least: Second
    middle: Second
    most: Second
    num: int

    @classmethod
    def of(cls, seconds: Sequence[Second]) -> Spread | None:
        """None without any."""
        return cls(least=min(seconds), middle=median(seconds), most=max(seconds), num=len(seconds)) if seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """What a step cost when something was compiled for it.

    Attributes:
        step: Its name in the schedule.
        rows: Of its batch.
        cold: Of processes with an empty cache.
        warm: Of processes after another of the same arm.
        parts: Of the cold median process: seconds by stage, `other` being what torch's metrics do not name.
        reason: PyTorch's own; empty for the first graph.
    """

    step: str
    rows: int
    cold: Spread
    warm: Spread | None
    parts: Mapping[str, Second]
    reason: str


def stalls_of(cold: Sequence[Cell], warm: Sequence[Cell]) -> list[Stall]:
    """The steps of an arm for which something was compiled, in order."""
    found = []
    for step in dict.fromkeys(call.step for cell in cold for call in cell.calls):
        calls = [call for cell in cold if (call := cell.call(step)) and call.compilations and call.seconds]
        if not calls:
            continue
        calls.sort(key=lambda call: call.seconds or 0.0)
        middle = calls[(len(calls) - 1) // 2]
        warm_seconds = [call.seconds for cell in warm if (call := cell.call(step)) and call.seconds]
        spread = Spread.of([call.seconds for call in calls if call.seconds])
        assert spread is not None
        found.append(
            Stall(
                step=step,
                rows=middle.rows,
                cold=spread,
                warm=Spread.of(warm_seconds),
                parts=_parts(middle),
                reason=next((c.reason for c in middle.compilations if c.reason), ""),
            )
        )
    return found


def _parts(call: Call) -> dict[str, Second]:
    parts = {
        stage: sum(getattr(compilation, stage) for compilation in call.compilations)
        for stage in ("dynamo", "aot", "inductor", "cpp")
    }
    return parts | {"other": max(0.0, (call.seconds or 0.0) - sum(parts.values()))}
