"""What a shard's report says of itself, so that a merge can prove that the shards are one run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pricebench.gate.control import Control
from pricebench.units import Second

MACHINE = frozenset({"cpu", "architecture", "logical_cores", "system"})
"""What may differ between the runners of one run: a benchmark is judged within one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of the parts of a run.

    Attributes:
        number: From 1.
        count: Of all parts.
        partition: Digest over who measures what.
        benchmarks: That are this part's own, those that could not be compared too.
        facts: By name what has to be the same in all parts.
        machine: What the workers said of machine and libraries.
        control: Its planted slowdown; None where it had nothing to measure.
        num_blocks: That it measured.
        seconds: That it took.
    """

    number: int
    count: int
    partition: str
    benchmarks: tuple[str, ...]
    facts: Mapping[str, str]
    machine: Mapping[str, object]
    control: Control | None = None
    num_blocks: int = 0
    seconds: Second = 0.0

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what a report holds.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        control = record["control"]
        return cls(
            number=int(record["number"]),
            count=int(record["count"]),
            partition=str(record["partition"]),
            benchmarks=tuple(map(str, record["benchmarks"])),
            facts={str(name): str(value) for name, value in record["facts"].items()},
            machine=dict(record["machine"]),
            control=control and Control.from_json(control),
            num_blocks=int(record["num_blocks"]),
            seconds=float(record["seconds"]),
        )

    @property
    def title(self) -> str:
        """`shard 2/8`."""
        return f"shard {self.number}/{self.count}"

    def all_facts(self) -> dict[str, str]:
        """With the libraries of its machine, which have to be the same too."""
        return {
            "number of shards": str(self.count),
            **self.facts,
            "libraries": json.dumps(
                {name: value for name, value in sorted(self.machine.items()) if name not in MACHINE}
            ),
            "partition": self.partition,
        }
