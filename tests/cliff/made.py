"""Reports made by hand, with numbers that can be worked out in the head."""

from __future__ import annotations

from pricebench.cliff.records import Block, Call, Cell, Compilation, Report, Toolchain
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, LATER, OTHER, Kind, Order

FULL, RESIDUAL = 2048, 1207
EAGER = {FULL: 0.004, RESIDUAL: 0.002}  # seconds per call


def block(step, rows, ratio, *, again=1.0, num=30):
    """Blocks whose times are all the same: every interval is a point."""
    eager = EAGER[rows]
    return Block(step=step, rows=rows, arm=(eager * ratio,) * num, eager=(eager,) * num, again=(eager * again,) * num)


def compilation(reason="", **seconds):
    parts = {"dynamo": 0.0, "aot": 0.0, "inductor": 0.0, "cpp": 0.0} | seconds
    return Compilation(graph="0/0", reason=reason, failure="", is_backward=False, **parts)


def call(step, rows, seconds, served=None, *compilations, **more):
    return Call(
        step=step,
        rows=rows,
        rows_run=more.pop("rows_run", rows),
        seconds=seconds,
        served=served,
        captured=len(compilations),
        compilations=compilations,
        **more,
    )


def cell(arm, ratios=None, *, first=0.004, stall=0.002, served=None, again=1.0, **more):
    """A cell in which the first call and the residual's took `first` and `stall` seconds.

    Args:
        arm: Its name.
        ratios: Time against eager in blocks A, residual, B, C; without them there are no blocks.
        first: Seconds of the first call.
        stall: Seconds of the first call with the residual.
        served: Graphs before and after the residual; none for an arm that compiles nothing.
        again: Eager against itself.
        more: Fields of the cell.
    """
    before, after = served or (None, None)
    made = lambda *parts: parts if served else ()  # noqa: E731
    calls = (
        call(FIRST, FULL, first, before, *made(compilation(dynamo=0.1, aot=0.2, inductor=0.3, cpp=0.4))),
        call(BEFORE, FULL, EAGER[FULL], before),
        call(
            OTHER,
            RESIDUAL,
            stall,
            after,
            *(made(compilation("size mismatch", cpp=0.4)) if stall > 0.1 else ()),
        ),
        call(AFTER, FULL, EAGER[FULL], after),
    )
    blocks = ()
    if ratios:
        rows = (FULL, RESIDUAL, FULL, FULL)
        steps = (BEFORE, OTHER, AFTER, LATER)
        blocks = tuple(block(s, r, ratio, again=again) for s, r, ratio in zip(steps, rows, ratios, strict=True))
    return Cell(
        **{
            "arm": arm,
            "kind": Kind.INFERENCE,
            "order": Order.FORWARD,
            "num_graphs": len({before, after}) if served else None,
            "calls": calls,
            "blocks": blocks,
            **more,
        }
    )


def report(*cells, **more):
    return Report(
        **{
            "started": "2026-11-23T12:00:00+00:00",
            "fingerprint": "0123456789",
            "machine": {
                "cpu": "a processor",
                "logical_cores": 2,
                "system": "Linux",
                "python": "3.11",
                "torch": "2.15.0",
                "device": "cpu",
            },
            "conditions": {
                "workload": "house_prices",
                "shapes": {"full": FULL, "residual": RESIDUAL, "single": 1},
                "threads": 2,
                "counts_only": False,
                "forked": True,
                "eager_by_design": ["eager_on_recompile"],
            },
            "toolchain": Toolchain(imports=1.0, compiler_imports=2.0, first=8.0, later=1.5),
            "cells": cells,
            "is_complete": True,
            **more,
        }
    )
