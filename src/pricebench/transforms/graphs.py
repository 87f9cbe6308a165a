"""What transformations ask of a graph, and do to it: patterns of nodes, layers of one call, tensors of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

_RELUS = ("relu", "relu_")


def linear_layers(graph: GraphModule, dtypes: Sequence[torch.dtype]) -> Iterator[Node]:
    """Calls of linear layers with weights of these types, in their order."""
    for node in list(graph.graph.nodes):
        if node.op == "call_module":
            layer = graph.get_submodule(str(node.target))
            if type(layer) is nn.Linear and layer.weight.dtype in dtypes and only_argument(node) is not None:
                yield node


def layer_of(graph: GraphModule, linear: Node) -> nn.Linear:
    """The layer that a node calls."""
    layer = graph.get_submodule(str(linear.target))
    assert isinstance(layer, nn.Linear)
    return layer


def bias_of(layer: nn.Linear) -> Tensor | None:
    """A layer may have none."""
    return dict(layer.named_parameters()).get("bias")


def is_relu(graph: GraphModule, node: Node) -> bool:
    """Whether a node is a ReLU, in any of the ways in which models write it."""
    if node.op == "call_module":
        return type(graph.get_submodule(str(node.target))) is nn.ReLU
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op in ("call_function", "call_method") and name in _RELUS


def first_argument(node: Node | None) -> Node | None:
    """What a call is made on, if it is a value of the graph."""
    first = node.args[0] if node is not None and node.args else None
    return first if isinstance(first, Node) else None


def only_argument(node: Node) -> Node | None:
    """The argument of a call that has one, if it is a value of the graph."""
    (argument,) = node.args if len(node.args) == 1 and not node.kwargs else (None,)
    return argument if isinstance(argument, Node) else None


def only_user(node: Node | None, is_it: Callable[[Node], bool]) -> Node | None:
    """What uses a value, if nothing else does and it is of a kind."""
    if node is None or len(node.users) != 1:
        return None
    (user,) = node.users
    return user if is_it(user) else None


def is_to(dtype: torch.dtype) -> Callable[[Node], bool]:
    """A test for conversions to a type."""
    return lambda node: node.op == "call_method" and node.target == "to" and dtype in node.args[1:] and not node.kwargs


def num_rows(node: Node) -> int | None:
    """Rows of a value, all axes but the last, in the example call; None where it is no tensor."""
    shape = _shape(node)
    return None if shape is None else int(shape[:-1].numel())


def num_axes(node: Node | None) -> int | None:
    """Axes of a value in the example call; None where it is no tensor."""
    shape = None if node is None else _shape(node)
    return None if shape is None else len(shape)


def _shape(node: Node) -> torch.Size | None:
    shape = getattr(node.meta.get("tensor_meta"), "shape", None)
    return None if shape is None else torch.Size(shape)


def own_tensor(graph: GraphModule, name: str, value: Tensor) -> Node:
    """Keep a tensor with the graph, and read it at the place where nodes are being inserted."""
    name = name.replace(".", "_")
    while hasattr(graph, name):
        name += "_"
    graph.register_buffer(name, value)
    return graph.graph.get_attr(name)


def replace_layer(graph: GraphModule, linear: Node, function: Callable[..., Any], *more: Any) -> bool:
    """Let `function(x, weight, bias, "relu" or "none", *more)` do a layer, and the ReLU that alone uses it.

    Returns:
        Whether there was such a ReLU.
    """
    layer, relu = layer_of(graph, linear), only_user(linear, lambda node: is_relu(graph, node))
    end = relu or linear
    with graph.graph.inserting_before(end):
        weight, bias = (
            None if value is None else own_tensor(graph, f"{linear.target}_{name}", value.detach())
            for name, value in (("weight", layer.weight), ("bias", bias_of(layer)))
        )
        args = (only_argument(linear), weight, bias, "relu" if relu else "none", *more)
        end.replace_all_uses_with(graph.graph.call_function(function, args))
    return relu is not None


def finish(graph: GraphModule) -> None:
    """Drop what nothing uses any more, and regenerate the code."""
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
