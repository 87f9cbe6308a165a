"""Linear layers in whole numbers of 8 bits: a quarter of the bytes, and four times the products an instruction.

An activation is `scale * (q - zero_point)` with q from 0 to 255, a weight `scale * q` with q from -127 to 127 and a
scale for each output; products are summed in 32 bits. torchao finds the scales and rounds the weights (PT2E), oneDNN
multiplies. `int8` learns the scales of activations from rows of training, `int8_dynamic` takes them from each call.

Layers that read a model's inputs stay as they are: columns of different units would share one scale.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from pricebench.cpu import cpu_flags
from pricebench.errors import ModeError
from pricebench.modes.silence import torch_silenced
from pricebench.transforms.base import Transform, calibration_of
from pricebench.transforms.fuse_linear_relu import missing as onednn_missing
from pricebench.transforms.graphs import finish, is_relu, linear_layers, only_argument, only_user
from pricebench.transforms.int8_layers import SMALLEST_SCALE, DynamicInt8Linear, Int8Linear, Quantize

_INSTRUCTIONS = {"avx512_vnni": "VNNI", "avx_vnni": "VNNI", "amx_int8": "AMX"}


def missing() -> str | None:
    """Why layers cannot be quantized here, or None."""
    if reason := onednn_missing():
        return reason
    if not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return "this torch has no onednn.qlinear_pointwise"
    if importlib.util.find_spec("torchao") is None:
        return "torchao is not installed: pip install 'pricebench[int8]'"
    return None


def _instructions() -> list[str]:
    """What this CPU has for products of 8 bits."""
    return sorted({_INSTRUCTIONS[flag] for flag in cpu_flags() if flag in _INSTRUCTIONS})


def _apply(graph: GraphModule, *, is_dynamic: bool) -> str:
    chains = list(_chains(graph))
    if not chains:
        return ""
    values = _values_before(graph, chains, is_dynamic=is_dynamic)
    num_layers = 0
    for chain, x in zip(chains, values, strict=True):
        layers = [_layer(graph, node) for node in chain]
        num_layers += sum(isinstance(layer, nn.Linear) for layer in layers)
        _put_in_place(graph, chain, _in_int8(layers, x, is_dynamic=is_dynamic))
    finish(graph)
    found = _instructions()
    how = f"with {' and '.join(found)}" if found else "without VNNI or AMX, so activations in 7 bits"
    scales = "each call" if is_dynamic else f"{len(values[0]):,} rows"
    return f"{num_layers} linear layers multiply in int8 {how}, by the range of {scales}"


# ---- which layers --------------------------------------------------------------------------------------------------


def _chains(graph: GraphModule) -> Iterator[list[Node]]:
    """Layers and ReLUs, each the only user of the one before, but no layer that reads the model's inputs."""
    layers = set(linear_layers(graph, (torch.float32,)))
    behind: set[Node] = set()  # another layer
    taken: set[Node] = set()
    for node in graph.graph.nodes:
        before = only_argument(node)
        if node in layers and node not in taken and before in behind and _is_matrix(before):
            chain = [node]
            while following := only_user(chain[-1], lambda user: user in layers or is_relu(graph, user)):
                chain.append(following)
            taken.update(chain)
            yield chain
        if node in layers or not behind.isdisjoint(node.all_input_nodes):
            behind.add(node)


def _is_matrix(node: Node | None) -> bool:
    meta = node.meta.get("tensor_meta") if node is not None else None
    return len(getattr(meta, "shape", ())) == 2


def _layer(graph: GraphModule, node: Node) -> nn.Module:
    return nn.ReLU() if is_relu(graph, node) else graph.get_submodule(str(node.target))


# ---- their ranges --------------------------------------------------------------------------------------------------


def _values_before(graph: GraphModule, chains: Sequence[Sequence[Node]], *, is_dynamic: bool) -> list[Tensor]:
    """What each chain is called with, on the rows that calibrate; any rows where the range is that of each call."""
    if is_dynamic:
        firsts = [_layer(graph, chain[0]) for chain in chains]
        return [torch.zeros(2, int(first.in_features)) for first in firsts if isinstance(first, nn.Linear)]
    rows = calibration_of(graph)
    if rows is None:
        raise ModeError(
            "The transformation int8 needs rows of training, to know the range of each layer, and found none. Train "
            "again, so that the folder has some, or use int8_dynamic."
        )
    found: dict[Node, Tensor] = {}

    class Noting(Interpreter):
        def run_node(self, n: Node) -> Any:
            result = super().run_node(n)
            if n in wanted:
                found[n] = result.detach().clone()
            return result

    wanted = [only_argument(chain[0]) for chain in chains]
    cloned = rows.clone()
    with torch.no_grad():
        Noting(graph).run(*cloned.args, *cloned.kwargs.values())
    return [found[node] for node in wanted if node is not None]


# ---- torchao -------------------------------------------------------------------------------------------------------


def _converted(layers: Sequence[nn.Module], x: Tensor, *, is_dynamic: bool) -> GraphModule:
    """What torchao makes of layers: a graph in which each value is rounded and widened again."""
    with torch_silenced():  # it logs while it is imported
        from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver, PlaceholderObserver  # noqa: PLC0415 - seconds
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e  # noqa: PLC0415
        from torchao.quantization.pt2e.quantizer import QuantizationSpec  # noqa: PLC0415
        from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import QuantizationConfig, X86InductorQuantizer  # noqa: PLC0415

    observer = PlaceholderObserver if is_dynamic else MinMaxObserver
    activation = QuantizationSpec(
        dtype=torch.uint8,
        quant_min=0,
        quant_max=_most(),
        qscheme=torch.per_tensor_affine,
        is_dynamic=is_dynamic,
        observer_or_fake_quant_ctr=observer.with_args(eps=SMALLEST_SCALE),
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=SMALLEST_SCALE),
    )
    quantizer = X86InductorQuantizer().set_global(QuantizationConfig(activation, activation, weight, None))
    with torch_silenced(), torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(nn.Sequential(*layers).eval(), (x,)).module(), quantizer)
        prepared(x)
        converted: GraphModule = convert_pt2e(prepared)
        return converted


def _in_int8(layers: Sequence[nn.Module], x: Tensor, *, is_dynamic: bool) -> list[nn.Module]:
    """The same layers."""
    converted = _converted(layers, x, is_dynamic=is_dynamic)
    products = [node for node in converted.graph.nodes if node.target is torch.ops.aten.linear.default]
    ranges = [None if is_dynamic else _scale_and_zero(node.args[0]) for node in products]
    found: list[nn.Module] = []
    for node, before, after in zip(products, ranges, [*ranges[1:], None], strict=True):
        weight, scale = (_value(converted, read) for read in node.args[1].args[:2])
        bias = _value(converted, node.args[2]) if len(node.args) > 2 and node.args[2] else None
        relu = any(user.target is torch.ops.aten.relu.default for user in node.users)
        if before is None:
            found.append(DynamicInt8Linear(weight, scale, bias, relu=relu, most=_most()))
        else:
            if not found:
                found.append(Quantize(*before, most=_most()))
            found.append(Int8Linear(weight, scale, bias, x=before, y=after, relu=relu))
    return found


def _scale_and_zero(dequantized: Any) -> tuple[float, int]:
    return float(dequantized.args[1]), int(dequantized.args[2])


def _value(graph: GraphModule, node: Node) -> Tensor:
    """Of a tensor that a graph holds."""
    holder, _, name = str(node.target).rpartition(".")
    value: Tensor = getattr(graph.get_submodule(holder), name)
    return value.detach().clone()


def _most() -> int:
    """Of an activation: without VNNI or AMX two products are summed in 16 bits, which twice 8 by 8 bits overflow."""
    return 255 if _instructions() else 127


def _put_in_place(graph: GraphModule, chain: Sequence[Node], layers: Sequence[nn.Module]) -> None:
    value = only_argument(chain[0])
    assert value is not None
    with graph.graph.inserting_before(chain[-1]):
        for number, layer in enumerate(layers):
            name = f"{str(chain[0].target).replace('.', '_')}_int8_{number}"
            graph.add_submodule(name, layer)
            value = graph.graph.call_module(name, (value,))
    chain[-1].replace_all_uses_with(value)


TRANSFORM = Transform(
    name="int8",
    summary="linear layers behind other layers multiply in 8 bits, by the ranges of rows of training",
    keeps="the shape of the answer; activations and weights lose all but 8 bits in each layer",
    precision=torch.int8,
    missing=missing,
    apply=partial(_apply, is_dynamic=False),
)
DYNAMIC = replace(
    TRANSFORM,
    name="int8_dynamic",
    summary="as `int8`, with the ranges of each call",
    apply=partial(_apply, is_dynamic=True),
)
