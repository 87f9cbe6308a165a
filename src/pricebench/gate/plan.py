"""A plan: the partition that was made once, by what benchmarks cost, for runners that would each have timed another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pricebench.gate.partition import Partition
from pricebench.gate.records import GateError
from pricebench.reports import ReportKind
from pricebench.units import Second

KIND = ReportKind(
    noun="a plan of shards",
    schema=1,
    command="pricebench gate --base REF --shards COUNT --plan FILE",
    lines=("benchmark",),
    error=GateError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who measures what.

    Attributes:
        facts: Of the run that it is for, by name.
        partition: By shard its benchmarks.
        costs: By benchmark the seconds that a block needs for one arm.
    """

    facts: Mapping[str, str]
    partition: Partition
    costs: Mapping[str, Second]

    @property
    def loads(self) -> list[Second]:
        """By shard the seconds that a block needs for one arm."""
        return [sum(self.costs[name] for name in names) for names in self.partition]

    def save(self, path: Path) -> None:
        """Write it, a line per benchmark."""
        shards = {name: number for number, names in enumerate(self.partition, 1) for name in names}
        benchmarks = [
            {"benchmark": name, "shard": shards[name], "seconds": self.costs[name]} for name in sorted(shards)
        ]
        KIND.save(
            {"schema": KIND.schema, "shards": len(self.partition), "facts": self.facts, "benchmarks": benchmarks}, path
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan.

        Raises:
            GateError: It cannot be read, or is none.
        """
        return KIND.load(path, cls._from_json)

    @classmethod
    def _from_json(cls, record: Mapping[str, Any]) -> Self:
        shards: list[list[str]] = [[] for _ in range(int(record["shards"]))]
        costs: dict[str, float] = {}
        for each in record["benchmarks"]:
            name, number = str(each["benchmark"]), int(each["shard"])
            if not 1 <= number <= len(shards) or name in costs:
                raise ValueError(f"{name} is in shard {number} of {len(shards)}, expected in exactly one of them")
            shards[number - 1].append(name)
            costs[name] = float(each["seconds"])
        return cls(
            facts={str(name): str(value) for name, value in record["facts"].items()},
            partition=tuple(tuple(sorted(names)) for names in shards),
            costs=costs,
        )

    def check(self, *, facts: Mapping[str, str], names: list[str], count: int) -> None:
        """Raise where this is not the run that was planned.

        Raises:
            GateError: The first difference.
        """
        mend = "Plan and measure the same checkout with the same options: make the plan anew."
        if len(self.partition) != count:
            raise GateError(f"the plan is for {len(self.partition)} shards, and this is one of {count}. {mend}")
        for name, planned in self.facts.items():
            if facts[name] != planned:
                raise GateError(f"the plan was made for another {name}: {planned}, here it is {facts[name]}. {mend}")
        if other := sorted(self.costs.keys() ^ set(names)):
            where = "in the plan and not here" if other[0] in self.costs else "here and not in the plan"
            raise GateError(f"{other[0]} is {where} ({len(other)} such names). {mend}")
