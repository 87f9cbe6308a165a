"""Recommendations made by hand, whose answer is known: fx or eager, by what a call takes in fx."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from pricebench.recommend.conclusion import conclude
from tests.recommend.made import FACTS, MACHINE, evidence, need


def recommendation(ratio=0.6, *, torch="2.15.0", machine=None, workload="made", warnings=(), **need_of):
    """A report in which fx takes `ratio` of eager's time for a row, and compile as long as eager.

    Args:
        ratio: Of fx.
        torch: That was measured.
        machine: Facts that differ.
        workload: Its name.
        warnings: What disturbed it.
        need_of: Fields of the need that differ.
    """
    return replace(
        _concluded(ratio, tuple(need_of.items())),
        workload=workload,
        machine={**MACHINE, "torch": torch, **(machine or {})},
        warnings=tuple(warnings),
    )


@cache  # looking for what would change the answer takes half a second
def _concluded(ratio, need_of):
    return conclude(
        evidence({"single": {"fx": ratio, "compile": 1.0}}, number=12),
        need(**dict(need_of)),
        started="2026-11-25T10:00:00+00:00",
        facts=FACTS,
        source="made:build",
        conditions={"threads": 1, "device": "cpu", "budget": 300.0, "seconds": 42.0, "seed": 0},
        warnings=(),
    )
