"""Changes of a model's graph that keep what it computes, one file each. They know nothing of house prices."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import nn
from torch.fx import GraphModule

from pricebench.errors import ModeError, unknown_name
from pricebench.inputs import Example, Inputs
from pricebench.modes.fx import trace
from pricebench.transforms import fold_normalization
from pricebench.transforms.base import Transform

__all__ = ["TRANSFORMS", "Transform", "transformed"]

TRANSFORMS = (fold_normalization.TRANSFORM,)


def transformed(
    module: nn.Module, example: Example, transforms: Sequence[str | Transform]
) -> tuple[GraphModule, list[str]]:
    """Apply transformations, in their order, to a copy of a module for inference.

    Args:
        module: Left as it is.
        example: Arguments of a call.
        transforms: Names of ours, or others.

    Returns:
        The graph, and a sentence for each of them.

    Raises:
        ModeError: No transformation has this name, or torch.fx cannot trace the module.
    """
    chosen = [_named(each) if isinstance(each, str) else each for each in transforms]
    snapshot = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    graph = trace(snapshot, Inputs.of(example))
    told = []
    for transform in chosen:
        done = transform.apply(graph)
        told.append(f"{transform.name}: {done or 'nothing in this model is for it, which is as it was'}.")
    return graph, told


def _named(name: str) -> Transform:
    for transform in TRANSFORMS:
        if transform.name == name:
            return transform
    raise ModeError(unknown_name("transformation", name, (transform.name for transform in TRANSFORMS)))
