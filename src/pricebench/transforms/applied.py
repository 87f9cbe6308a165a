"""Applying transformations: to a copy, one after another, with the shapes of every value known to each."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.fx import GraphModule
from torch.fx.passes.shape_prop import ShapeProp

from pricebench.errors import ModeError, unknown_name
from pricebench.inputs import Example, Inputs
from pricebench.modes.fx import trace
from pricebench.transforms import (
    bfloat16,
    direct_calls,
    fold_normalization,
    fuse_linear_relu,
    int8,
    matmul_backend,
    pad_to_bucket,
)
from pricebench.transforms.base import Transform, calibrate

TRANSFORMS = (
    fold_normalization.TRANSFORM,
    direct_calls.TRANSFORM,
    fuse_linear_relu.TRANSFORM,
    matmul_backend.TRANSFORM,
    bfloat16.TRANSFORM,
    int8.TRANSFORM,
    int8.DYNAMIC,
    pad_to_bucket.TRANSFORM,
)


def transformed(
    module: nn.Module,
    example: Example,
    transforms: Sequence[str | Transform],
    *,
    calibration: Example | None = None,
) -> tuple[GraphModule, list[str]]:
    """Apply transformations, in their order, to a copy of a module for inference.

    Args:
        module: Left as it is.
        example: Arguments of a call.
        transforms: Names of ours, or others.
        calibration: Arguments of a call on rows of training, for those that need to know the range of each layer.

    Returns:
        The graph, and a sentence for each of them.

    Raises:
        ModeError: No transformation has this name or can run here, one needs rows to calibrate on, or torch.fx cannot
            trace the module.
    """
    chosen = [transform_named(each) if isinstance(each, str) else each for each in transforms]
    snapshot = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    inputs = Inputs.of(example)
    graph = trace(snapshot, inputs)
    calibrate(graph, None if calibration is None else Inputs.of(calibration))
    told = []
    for transform in chosen:
        _note_shapes(graph, inputs)
        done = transform.apply(graph)
        told.append(f"{transform.name}: {done or 'nothing in this model is for it, which is as it was'}.")
    return graph, told


def transform_named(name: str) -> Transform:
    """Find a transformation that can run here.

    Raises:
        ModeError: None has this name, or this machine lacks what it needs.
    """
    for transform in TRANSFORMS:
        if transform.name == name:
            reason = transform.missing()
            if reason is not None:
                raise ModeError(f"The transformation {name} cannot run here: {reason}.")
            return transform
    raise ModeError(unknown_name("transformation", name, (transform.name for transform in TRANSFORMS)))


def _note_shapes(graph: GraphModule, inputs: Inputs) -> None:
    """`node.meta["tensor_meta"]` of every tensor, as torch.fx notes it, by running the graph once."""
    cloned = inputs.clone()
    with torch.no_grad():
        ShapeProp(graph).propagate(*cloned.args, *cloned.kwargs.values())
