"""Rows of zeros up to one of a few batch sizes, around the graph: a mode that compiles per shape meets only these.

Inside of the graph it would come too late: the mode has looked at the shape by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.fx import GraphModule

from pricebench.inputs import Inputs
from pricebench.modes.toolchain import SIZES
from pricebench.transforms.base import Transform, put_around


def _apply(graph: GraphModule) -> str:
    inputs = [node.meta.get("tensor_meta") for node in graph.graph.nodes if node.op == "placeholder"]
    outputs = [node.meta.get("tensor_meta") for node in graph.graph.nodes if node.op == "output"]
    shapes: list[tuple[int, ...]] = [tuple(getattr(meta, "shape", ())) for meta in (*inputs, *outputs)]
    # One tensor out, with as many rows as each that goes in: nothing else is known to be cut where it was padded.
    if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
        return ""
    put_around(graph, _padded)
    return f"calls are padded to {', '.join(map(str, SIZES))} rows and multiples of {SIZES[-1]}"


def _padded(forward: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        inputs = Inputs(args, kwargs)
        num_rows = next(len(tensor) for _, tensor in inputs.tensors())
        size = bucket(num_rows)
        if size == num_rows:
            return forward(*args, **kwargs)
        return inputs.map(lambda tensor: _with_rows(tensor, size)).call(forward)[:num_rows]

    return call


def bucket(num_rows: int) -> int:
    """The size that so many rows are padded to.

    >>> [bucket(rows) for rows in (1, 2, 9, 2048, 2049)]
    [1, 8, 64, 2048, 4096]
    """
    return next((size for size in SIZES if size >= num_rows), -(-num_rows // SIZES[-1]) * SIZES[-1])


def _with_rows(tensor: Tensor, size: int) -> Tensor:
    padded = tensor.new_zeros(size, *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    return padded


TRANSFORM = Transform(
    name="pad_to_bucket",
    summary="calls are padded with rows of zeros to a few batch sizes, so that a mode compiles only for these",
    keeps="every row of the answer, in its order",
    apply=_apply,
)
