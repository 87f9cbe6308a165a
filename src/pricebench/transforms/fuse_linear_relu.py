"""One call per layer: product, bias and ReLU by oneDNN, which writes the output once instead of three times.

`aten::addmm` first copies the bias into its output, multiplies on top of it, and the ReLU goes over it again. oneDNN
adds the bias and takes the maximum while a block of the product is still in registers.
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule

from pricebench.transforms.base import Transform
from pricebench.transforms.graphs import finish, linear_layers, replace_layer


def missing() -> str | None:
    """Why oneDNN cannot be called here, or None."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "this build of torch has no oneDNN"
    return None if hasattr(torch.ops.mkldnn, "_linear_pointwise") else "this torch has no mkldnn._linear_pointwise"


def _apply(graph: GraphModule) -> str:
    # Packed once a weight would save microseconds a call, and be a tensor that no mode can copy or write.
    call = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
    fused = [
        replace_layer(graph, linear, call, [], "") for linear in linear_layers(graph, (torch.float32, torch.bfloat16))
    ]
    if not fused:
        return ""
    finish(graph)
    num_relus = sum(fused)
    return f"{len(fused)} linear layers are one call of oneDNN each, {num_relus} of them with their ReLU"


TRANSFORM = Transform(
    name="fuse_linear_relu",
    summary="a linear layer with its ReLU is one call of oneDNN, which writes the output once",
    keeps="every value, up to the order of float32 sums",
    missing=missing,
    apply=_apply,
)
