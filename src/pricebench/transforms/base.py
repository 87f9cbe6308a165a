"""What a transformation is: a graph of torch.fx goes in, and one that computes the same, but otherwise, comes out.

Transformations are for inference. They are applied to a copy, one after another, before a mode prepares what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.fx import GraphModule


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """One way to change a graph.

    Attributes:
        name: A database key: it does not change.
        summary: What it changes.
        keeps: What it must not change.
        apply: Changes a graph in place -> what it did, in a few words; empty where nothing in the graph is for it, and
            nothing was changed.
    """

    name: str
    summary: str
    keeps: str
    apply: Callable[[GraphModule], str]
