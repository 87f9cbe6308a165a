"""What a gate compares, as plain data: its arms, and benchmarks that are there on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pricebench.errors import PricebenchError
from pricebench.paired.slices import Case
from pricebench.units import Second


class GateError(PricebenchError):
    """The gate cannot run: a ref, a tree, an environment, a setting or a suite is not what it should be."""


class Arm(StrEnum):
    """One side of a block. It equals its name, which is what a block's records are keyed by."""

    BASE = "base"
    HEAD = "head"
    NULL = "null"  # a second copy of base: what differs between the two is noise
    CONTROL = "control"  # the second copy with a planted slowdown: a gate that does not see it is blind


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A benchmark on both sides.

    Attributes:
        base: Its id in base's suite.
        head: Its id in head's: another one only where a reviewed line says that it was renamed.
    """

    base: str
    head: str

    def on(self, arm: Arm) -> str:
        """Its id on an arm."""
        return self.head if arm is Arm.HEAD else self.base

    def case(self, estimate: Second, *, with_control: bool) -> Case:
        """As a block measures it, under head's id; one that is not the control's is not for the control arm.

        Args:
            estimate: Seconds per call.
            with_control: The control arm runs it too.
        """
        arms = [arm for arm in Arm if with_control or arm is not Arm.CONTROL]
        return Case(name=self.head, ids={arm: self.on(arm) for arm in arms}, estimate=estimate)
