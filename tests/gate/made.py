"""Blocks and findings that are what a test says they are."""

from __future__ import annotations

import math

from pricebench.gate.control import Control
from pricebench.gate.judge import Verdict
from pricebench.gate.records import Arm
from pricebench.gate.report import Finding, Report
from pricebench.paired.records import Block, Company

NAME = "bench.py::test_sum[small]"


def block(number, *, head=0.0, null=0.0, control=None, name=NAME, failures=None, company=None, seconds=1e-3):
    """A block whose eight slices are all alike; `head`, `null` and `control` are logarithms of the ratio to base."""
    arms = {Arm.BASE: 0.0, Arm.HEAD: head, Arm.NULL: null}
    if control is not None:
        arms[Arm.CONTROL] = control
    measured = {name: {arm: (seconds * math.exp(ratio),) * 8 for arm, ratio in arms.items()}}
    return Block(
        number=number,
        seconds={} if failures else measured,
        calls={name: 20},
        company={name: company} if company else {},
        failures={name: failures} if failures else {},
        wall=1.0,
        others=0.0,
    )


def company(*, head=(0.0, 0.0), base=(0.0, 0.0)):
    """Who else ran: `(waited, others)` while head and while base was measured."""
    return {
        Arm.HEAD: Company(waited=head[0], others=head[1]),
        Arm.BASE: Company(waited=base[0], others=base[1]),
        Arm.NULL: Company(waited=base[0], others=base[1]),
    }


def finding(verdict, name=NAME, **facts):
    return Finding(benchmark=name, verdict=Verdict(verdict), threshold=0.05, **facts)


SEEN = Control(benchmark=NAME, planted=0.15, change=0.149, is_seen=True)
UNSEEN = Control(benchmark=NAME, planted=0.15, change=0.01, is_seen=False)


def report(*findings, control=SEEN, **facts):
    return Report(
        **{
            "started": "2026-11-24T06:00:00+00:00",
            "base": "a" * 40,
            "head": "b" * 40,
            "is_dirty": False,
            "machine": {"cpu": "test"},
            "fingerprint": "0123456789",
            "conditions": {},
            "findings": findings,
            "control": control,
            "was_structure_checked": True,
            **facts,
        }
    )
