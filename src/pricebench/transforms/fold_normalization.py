"""Z-scores disappear into the first and last linear layer: raw features go in, dollars come out, seven operators less.

With weights W and bias b, `W ((x - mean) / std) + b` is `(W / std) x + (b - (W / std) mean)`, and
`(W x + b) std + mean` is `(W std) x + (b std + mean)`. Both are worked out in float64 and rounded once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from pricebench.modes.base import always_available
from pricebench.transforms.base import Transform
from pricebench.transforms.graphs import finish, is_to, layer_of, linear_layers, only_argument, only_user


def _apply(graph: GraphModule) -> str:
    done = []
    for linear in linear_layers(graph, (torch.float32,)):
        done += [told for fold in (_fold_into_first, _fold_into_last) if (told := fold(graph, linear))]
    if done:
        finish(graph)
    return "; ".join(done)


def _fold_into_first(graph: GraphModule, linear: Node) -> str:
    """`((x.to(float64) - mean) / std).to(float32)` before a linear layer."""
    narrowed = only_argument(linear)
    divided = _argument_of(narrowed, is_to(torch.float32))
    shifted, std = _operands(divided, operator.truediv)
    widened, mean = _operands(shifted, operator.sub)
    raw = _argument_of(widened, is_to(torch.float64))
    chain = (narrowed, divided, shifted, widened)
    if narrowed is None or raw is None or mean is None or std is None:
        return ""
    if any(node is not None and len(node.users) > 1 for node in chain):
        return ""
    mean_F, std_F = _value(graph, mean), _value(graph, std)
    layer = _own_layer(graph, linear)
    weight = layer.weight.detach().double() / std_F
    bias = _bias(layer) - weight @ mean_F
    _set(layer, weight, bias)
    with graph.graph.inserting_before(linear):
        linear.replace_input_with(narrowed, graph.graph.call_method("to", (raw, torch.float32)))
    return f"z-scores of {len(mean_F)} features folded into {linear.target}"


def _fold_into_last(graph: GraphModule, linear: Node) -> str:
    """`(z.to(float64) * std + mean).to(float32)` after a linear layer."""
    widened = only_user(linear, is_to(torch.float64))
    scaled = only_user(widened, lambda node: node.target is operator.mul)
    shifted = only_user(scaled, lambda node: node.target is operator.add)
    narrowed = only_user(shifted, is_to(torch.float32))
    first, std = _operands(scaled, operator.mul)
    second, mean = _operands(shifted, operator.add)
    if narrowed is None or std is None or mean is None or first is not widened or second is not scaled:
        return ""
    mean_1, std_1 = _value(graph, mean), _value(graph, std)
    layer = _own_layer(graph, linear)
    _set(layer, layer.weight.detach().double() * std_1[:, None], _bias(layer) * std_1 + mean_1)
    narrowed.replace_all_uses_with(linear)
    return f"the scale of the answer folded into {linear.target}"


# ---- the graph -----------------------------------------------------------------------------------------------------


def _argument_of(node: Node | None, is_it: Callable[[Node], bool]) -> Node | None:
    """What a node of this kind is applied to."""
    if node is None or not is_it(node):
        return None
    return node.args[0] if isinstance(node.args[0], Node) else None


def _operands(node: Node | None, function: Callable[..., object]) -> tuple[Node | None, Node | None]:
    """Both operands of a call of a function, the second of them a tensor of the module's own."""
    if node is None or node.op != "call_function" or node.target is not function or len(node.args) != 2:
        return None, None
    first, second = node.args
    if isinstance(first, Node) and isinstance(second, Node) and second.op == "get_attr":
        return first, second
    return None, None


# ---- weights -------------------------------------------------------------------------------------------------------


def _value(graph: GraphModule, node: Node) -> Tensor:
    owner, _, name = str(node.target).rpartition(".")
    value: Tensor = getattr(graph.get_submodule(owner), name)
    return value.detach().double()


def _own_layer(graph: GraphModule, linear: Node) -> nn.Linear:
    """The layer of this call alone: one that is called twice keeps its weights for the other call."""
    layer = layer_of(graph, linear)
    calls = [node for node in graph.graph.nodes if node.op == "call_module" and node.target == linear.target]
    own = nn.Linear(layer.in_features, layer.out_features, device=layer.weight.device, dtype=layer.weight.dtype)
    own.load_state_dict({"bias": torch.zeros_like(own.bias), **layer.state_dict()})
    own.train(layer.training)
    name = str(linear.target) if len(calls) == 1 else f"{linear.target}_folded"
    graph.add_submodule(name, own)
    linear.target = name
    return own


def _bias(layer: nn.Linear) -> Tensor:
    return layer.bias.detach().double()


def _set(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


TRANSFORM = Transform(
    name="fold_normalization",
    summary="z-scores disappear into the first and last linear layer: raw features in, dollars out, 7 operators less",
    keeps="prices, up to a rounding of raw features to float32; every layer between",
    missing=always_available,
    apply=_apply,
)
