"""Which library multiplies: torch's own choice (MKL) or oneDNN, measured for each layer and number of rows.

Nothing is set for the process: a layer whose best choice depends on its rows asks for them in each call.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from pricebench.transforms.base import Transform
from pricebench.transforms.fuse_linear_relu import missing
from pricebench.transforms.graphs import finish, is_relu, layer_of, linear_layers, only_user, replace_layer
from pricebench.turns import in_turns
from pricebench.units import Second, counted

_ROWS = (1, 8, 64, 512, 2048)
_SLICE: Second = 1e-3
_SLICES = 9
_WINS = 1.05  # times faster: less is not worth another library
_NEVER = 2**31 - 1


def linear_by_rows(x: Tensor, weight: Tensor, bias: Tensor | None, relu: str, rows_from: int) -> Tensor:
    """A linear layer, by oneDNN from so many rows on; `relu` is "relu" or "none"."""
    if x.shape[0] >= rows_from:
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, relu, [], "")  # noqa: SLF001
        return fused
    y = nn.functional.linear(x, weight, bias)
    return torch.relu(y) if relu == "relu" else y


def _apply(graph: GraphModule) -> str:
    chosen = []
    for linear in list(linear_layers(graph, (torch.float32,))):
        layer = layer_of(graph, linear)
        relu = only_user(linear, lambda node: is_relu(graph, node))
        rows_from = _rows_from(layer, "relu" if relu else "none")
        if rows_from < _NEVER:
            replace_layer(graph, linear, linear_by_rows, rows_from)
            chosen.append(f"{linear.target} from {rows_from} rows")
    if not chosen:
        return ""
    finish(graph)
    return f"oneDNN for {', '.join(chosen)}, by measurement on {counted(torch.get_num_threads(), 'thread')}"


def _rows_from(layer: nn.Linear, relu: str) -> int:
    """The fewest rows from which oneDNN is faster at every size that is measured."""
    fewest = _NEVER
    for rows in reversed(_ROWS):
        x = torch.randn(rows, layer.in_features)
        with torch.inference_mode():
            calls = {"plain": _call(x, layer, relu, _NEVER), "fused": _call(x, layer, relu, 0)}
            times = in_turns(calls, slice_seconds=_SLICE, slices=_SLICES)
        if min(times["plain"]) < _WINS * min(times["fused"]):
            break
        fewest = rows
    return fewest


def _call(x: Tensor, layer: nn.Linear, relu: str, rows_from: int) -> Callable[[], Tensor]:
    return lambda: linear_by_rows(x, layer.weight, layer.bias, relu, rows_from)


TRANSFORM = Transform(
    name="matmul_backend",
    summary="each linear layer is multiplied by the library that is faster here for its rows, torch's own or oneDNN",
    keeps="every value, up to the order of float32 sums",
    missing=missing,
    apply=_apply,
)
