"""Layers become bare calls of operators: no module around them, weights transposed once, ReLU in place.

For one row a layer's arithmetic is a microsecond or two, and what stands around it costs more: `Module.__call__`, a
`Linear` that transposes its weight anew and asks the dispatcher twice, an output of its own for the ReLU.
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

from pricebench.transforms.base import Transform
from pricebench.transforms.graphs import (
    bias_of,
    finish,
    is_relu,
    layer_of,
    linear_layers,
    num_axes,
    only_argument,
    only_user,
    own_tensor,
)


def _apply(graph: GraphModule) -> str:
    # All of them before any is replaced: new nodes have no shape yet.
    layers = [
        linear
        for linear in linear_layers(graph, (torch.float32, torch.float64))
        if num_axes(only_argument(linear)) == 2
    ]
    if not layers:
        return ""
    direct = [_replace(graph, linear) for linear in layers]
    finish(graph)
    return f"{len(direct)} linear layers are one operator each, {sum(direct)} of them with their ReLU in place"


def _replace(graph: GraphModule, linear: Node) -> bool:
    """Put one operator in the place of a layer; True if its ReLU works in place now."""
    layer, x = layer_of(graph, linear), only_argument(linear)
    own_bias = bias_of(layer)
    relu = only_user(linear, lambda node: is_relu(graph, node))
    name = str(linear.target)
    with graph.graph.inserting_before(linear):
        weight = own_tensor(graph, f"{name}_transposed", layer.weight.detach().T.contiguous())
        if own_bias is None:
            answer = graph.graph.call_function(torch.mm, (x, weight))
        else:
            bias = own_tensor(graph, f"{name}_bias", own_bias.detach())
            answer = graph.graph.call_function(torch.addmm, (bias, x, weight))
        if relu is not None:
            answer = graph.graph.call_function(torch.relu_, (answer,))
    (relu or linear).replace_all_uses_with(answer)
    return relu is not None


TRANSFORM = Transform(
    name="direct_calls",
    summary="a linear layer is one operator without a module around it, its weight transposed once, its ReLU in place",
    keeps="every value, up to the order of float32 sums",
    apply=_apply,
)
