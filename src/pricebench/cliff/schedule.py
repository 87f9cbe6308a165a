"""The order of batch shapes that a cell goes through: what an epoch with a residual batch does to a compiled model.

Forward, with 2048 and 1207 rows: full block A, residual block, full block B, a second residual, 1, 2, full block C.
B against A is the *takeover*: the same batch before and after another shape was seen. The reverse schedule starts with
the residual, and is the control: there it is the residual that is taken over. The aligned one is forward with a power
of two as residual, 1024: what is left then is not the odd size's fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pricebench.errors import PricebenchError


class CliffError(PricebenchError):
    """A cliff report, or what is to be measured, is not what it should be."""


class Kind(StrEnum):
    """What is run on each batch."""

    INFERENCE = "inference"
    TRAINING = "training"


class Check(StrEnum):
    """How the answers of a cell are checked: not at all where training is random, but in a cell of its own, quiet."""

    YES = "yes"
    NO = "no"
    QUIET = "quiet"


class Order(StrEnum):
    """Which shapes come in which order."""

    FORWARD = "forward"
    REVERSE = "reverse"
    ALIGNED = "aligned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call that may meet a new shape.

    Attributes:
        name: A key, unique in its schedule.
        rows: Of the batch.
        steady: Whether a steady block follows the call.
    """

    name: str
    rows: int
    steady: bool = False


FIRST, BEFORE, OTHER, AFTER, LATER = "first call", "block A", "other shape", "block B", "block C"


def schedule(shapes: Mapping[str, int], order: Order = Order.FORWARD) -> tuple[Step, ...]:
    """The steps for a workload's `full` and `residual` rows.

    Raises:
        CliffError: The shapes leave no room for a second residual, 1 and 2 rows.
    """
    full, residual = shapes["full"], shapes["residual"]
    if order is Order.ALIGNED:
        residual = 1 << (residual.bit_length() - 1)
    second = residual * 5 // 6
    if not 2 < second < residual < full:
        raise CliffError(
            f"The residual batch has {residual} rows, expected 4 to {full - 1}: fewer than a full one, and enough for "
            "a second residual. Choose another number of rows."
        )
    first, other = (residual, full) if order is Order.REVERSE else (full, residual)
    return (
        Step(name=FIRST, rows=first),
        Step(name=BEFORE, rows=first, steady=True),
        Step(name=OTHER, rows=other, steady=True),
        Step(name=AFTER, rows=first, steady=True),
        Step(name="second residual", rows=second),
        Step(name="single", rows=1),
        Step(name="pair", rows=2),
        Step(name=LATER, rows=first, steady=True),
    )
