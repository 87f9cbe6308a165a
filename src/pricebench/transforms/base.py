"""What a transformation is: a graph of torch.fx goes in, and one that computes the same, but otherwise, comes out.

Transformations are for inference. They are applied to a copy, one after another, before a mode prepares what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch.fx import GraphModule

from pricebench.inputs import Inputs
from pricebench.modes.base import always_available


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """One way to change a graph.

    Attributes:
        name: A database key: it does not change.
        summary: What it changes.
        keeps: What it must not change.
        precision: Of matrix products, where it is less than float32: what rounding explains is larger then.
        missing: Says why it cannot be used here, or None where it can.
        apply: Changes a graph in place -> what it did, in a few words; empty where nothing in the graph is for it, and
            nothing was changed. Every node's `meta["tensor_meta"]` holds its shape in the example call.
    """

    name: str
    summary: str
    keeps: str
    precision: torch.dtype | None = None
    missing: Callable[[], str | None] = always_available
    apply: Callable[[GraphModule], str]


_CALIBRATION = "pricebench_calibration"


def calibrate(graph: GraphModule, rows: Inputs | None) -> None:
    """Note a call on rows of training, for transformations that must know which numbers a layer meets."""
    graph.meta[_CALIBRATION] = rows


def calibration_of(graph: GraphModule) -> Inputs | None:
    """What was noted."""
    rows: Inputs | None = graph.meta.get(_CALIBRATION)
    return rows


Around: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

_AROUND = "pricebench_around"


def put_around(graph: GraphModule, around: Around) -> None:
    """Note what has to be done outside of what a mode makes of a graph."""
    graph.meta.setdefault(_AROUND, []).append(around)


def surrounded(graph: GraphModule, forward: Callable[..., Any]) -> Callable[..., Any]:
    """What a mode made of a graph, with what was put around that."""
    for around in graph.meta.get(_AROUND, ()):
        forward = around(forward)
    return forward
