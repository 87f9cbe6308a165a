"""What is measured in interleaved blocks, as plain data: raw slices by case and arm, and the machine they ran on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pricebench.errors import PricebenchError
from pricebench.units import Second


class PairedError(PricebenchError):
    """Arms cannot be measured side by side: a process died, or said nothing, or could not be prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Who else ran while an arm's slices of one case did.

    Attributes:
        waited: Share of the time for which the arm was ready to run and somebody else had its core.
        others: Cores that were busy beside the arm's own.
    """

    waited: float
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fresh process an arm, in which the arms' slices alternated.

    Attributes:
        number: From 0, in order of measuring.
        seconds: By case and arm the slices, seconds per call, in the order of their rounds: slices of the same
            place are of the same round, so neighbours in time.
        calls: By case, per slice, the same for all arms.
        company: By case and arm, where the system tells.
        failures: By case and arm why it was not measured.
        wall: Seconds from its processes' start, their shared imports done, to the end of its last case.
        others: Cores that other programs used meanwhile, and the hypervisor withheld; None where the system does
            not tell.
    """

    number: int
    seconds: Mapping[str, Mapping[str, tuple[Second, ...]]]
    calls: Mapping[str, int]
    company: Mapping[str, Mapping[str, Company]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wall: Second = 0.0
    others: float | None = None

    def to_json(self) -> dict[str, Any]:
        """With seven significant digits: the clock has no more."""
        return {
            "number": self.number,
            "seconds": {
                name: {str(arm): [float(f"{value:.7g}") for value in slices] for arm, slices in arms.items()}
                for name, arms in self.seconds.items()
            },
            "calls": dict(self.calls),
            "company": {
                name: {str(arm): [round(each.waited, 4), round(each.others, 3)] for arm, each in arms.items()}
                for name, arms in self.company.items()
            },
            "failures": {name: {str(arm): why for arm, why in arms.items()} for name, arms in self.failures.items()},
            "wall": round(self.wall, 2),
            "others": None if self.others is None else round(self.others, 3),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` made.

        Raises:
            KeyError, TypeError, ValueError: It did not.
        """
        return cls(
            number=int(record["number"]),
            seconds={
                name: {str(arm): tuple(map(float, slices)) for arm, slices in arms.items()}
                for name, arms in record["seconds"].items()
            },
            calls={name: int(calls) for name, calls in record["calls"].items()},
            company={
                name: {str(arm): Company(waited=float(pair[0]), others=float(pair[1])) for arm, pair in arms.items()}
                for name, arms in record.get("company", {}).items()
            },
            failures={
                name: {str(arm): str(why) for arm, why in arms.items()} for name, arms in record["failures"].items()
            },
            wall=float(record["wall"]),
            others=None if record["others"] is None else float(record["others"]),
        )


def machine_digest(machine: Mapping[str, object]) -> str:
    """Ten hexadecimal digits over what the workers said of their machine and libraries."""
    return hashlib.sha256(json.dumps(dict(machine), sort_keys=True).encode()).hexdigest()[:10]
