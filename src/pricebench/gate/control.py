"""The planted slowdown of a run or a shard, and whether it was seen: a gate that does not see it is blind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The slowdown that was planted.

    Attributes:
        benchmark: Where.
        planted: How much, as a share.
        change: What was seen of it, or None.
        is_seen: It was called slower.
    """

    benchmark: str
    planted: float
    change: float | None
    is_seen: bool

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what a report holds.

        Raises:
            TypeError: A number or a text is something else.
        """
        return cls(**with_numbers(record))


_TEXTS = frozenset({"benchmark", "verdict", "accepted", "note"})


def with_numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a finding or control; TypeError where a number or a text is something else."""
    for name, value in record.items():
        if name in _TEXTS:
            if not isinstance(value, str):
                raise TypeError(f"{name} is {value!r}, expected a text")
        elif value is not None and not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}, expected a number")
    return dict(record)
