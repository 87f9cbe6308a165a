"""One call per layer: product, bias and ReLU by oneDNN, which writes the output once instead of three times.

`aten::addmm` first copies the bias into its output, multiplies on top of it, and the ReLU goes over it again. oneDNN
adds the bias and takes the maximum while a block of the product is still in registers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from pricebench.transforms.base import Transform
from pricebench.transforms.graphs import (
    finish,
    is_relu,
    layer_of,
    linear_layers,
    only_argument,
    only_user,
    own_bias,
    own_tensor,
)


def missing() -> str | None:
    """Why oneDNN cannot be called here, or None."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "this build of torch has no oneDNN"
    return None if hasattr(torch.ops.mkldnn, "_linear_pointwise") else "this torch has no mkldnn._linear_pointwise"


def _apply(graph: GraphModule) -> str:
    fused = [fuse(graph, linear) for linear in linear_layers(graph, (torch.float32, torch.bfloat16))]
    if not fused:
        return ""
    finish(graph)
    num_relus = sum(fused)
    return f"{len(fused)} linear layers are one call of oneDNN each, {num_relus} of them with their ReLU"


def fuse(graph: GraphModule, linear: Node) -> bool:
    """Let oneDNN do a linear layer, and the ReLU that alone uses it; whether there was one."""
    x = only_argument(linear)
    relu = only_user(linear, lambda node: is_relu(graph, node))
    end = relu or linear
    with graph.graph.inserting_before(end):
        weight = own_tensor(graph, f"{linear.target}_weight", layer_of(graph, linear).weight.detach())
        bias = own_bias(graph, linear)
        args: tuple[Any, ...] = (x, weight, bias, "relu" if relu else "none", [], "")
        # Packed once it would save a few microseconds a call, and be a tensor that no mode can copy or write.
        fused = graph.graph.call_function(torch.ops.mkldnn._linear_pointwise, args)  # noqa: SLF001
    end.replace_all_uses_with(fused)
    return relu is not None


TRANSFORM = Transform(
    name="fuse_linear_relu",
    summary="a linear layer with its ReLU is one call of oneDNN, which writes the output once",
    keeps="every value, up to the order of float32 sums",
    missing=missing,
    apply=_apply,
)
