"""Matrix products in bfloat16, everything else in float32: half the bytes, and twice the products an instruction.

A bfloat16 has the exponent of a float32 and 8 bits of its 24. Products are summed in float32; their inputs, and each
layer's output, are rounded.
"""

from __future__ import annotations

import copy

import torch
from torch.fx import GraphModule, Node

from pricebench.cpu import bfloat16_missing
from pricebench.transforms.base import Transform
from pricebench.transforms.fuse_linear_relu import missing as onednn_missing
from pricebench.transforms.graphs import finish, first_argument, is_relu, is_to, layer_of, linear_layers, only_argument


def missing() -> str | None:
    """Why this CPU should not multiply in bfloat16, or None."""
    return onednn_missing() or bfloat16_missing()


def _apply(graph: GraphModule) -> str:
    layers = list(linear_layers(graph, (torch.float32,)))
    for linear in layers:
        _narrow(graph, linear)
    if not layers:
        return ""
    kept = sum(_stay_narrow(graph, node) for node in list(graph.graph.nodes))
    finish(graph)
    return f"{len(layers)} linear layers multiply in bfloat16, with {kept} values between them left in it"


def _narrow(graph: GraphModule, linear: Node) -> None:
    x = only_argument(linear)
    assert x is not None
    name = f"{linear.target}_bfloat16"
    graph.add_submodule(name, copy.deepcopy(layer_of(graph, linear)).bfloat16())
    with graph.graph.inserting_before(linear):
        narrow = graph.graph.call_method("to", (x, torch.bfloat16))
        product = graph.graph.call_module(name, (narrow,))
        wide = graph.graph.call_method("to", (product, torch.float32))
    linear.replace_all_uses_with(wide)
    graph.graph.erase_node(linear)


def _stay_narrow(graph: GraphModule, node: Node) -> bool:
    """`y.to(float32)`, ReLU, `.to(bfloat16)` is the ReLU of y: it moves no number, so that rounding changes none."""
    if not is_to(torch.bfloat16)(node):
        return False
    relu = first_argument(node)
    wide = first_argument(relu)
    product = first_argument(wide)
    if relu is None or wide is None or product is None:
        return False
    if not is_relu(graph, relu) or not is_to(torch.float32)(wide) or max(len(relu.users), len(wide.users)) > 1:
        return False
    relu.replace_input_with(wide, product)
    node.replace_all_uses_with(relu)
    return True


TRANSFORM = Transform(
    name="bfloat16",
    summary="matrix products in bfloat16, the rest in float32",
    keeps="the shape of the answer; values lose 16 of their 24 bits in each layer",
    precision=torch.bfloat16,
    missing=missing,
    apply=_apply,
)
