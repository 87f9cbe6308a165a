"""A mode that runs what transformations make of a module: `compile+fold_normalization` is its name, and its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO

from torch import nn
from torch.fx import GraphModule

from pricebench.inputs import Example, Inputs
from pricebench.modes import ExecutionMode, Forward, mode_named
from pricebench.transforms.applied import transform_named, transformed
from pricebench.transforms.base import surrounded

PLUS = "+"


def mode_with(name: str, transforms: Sequence[str] = (), *, calibration: Example | None = None) -> ExecutionMode:
    """Find a mode that can run here, with transformations.

    Args:
        name: Of a mode, with names of transformations behind a plus each.
        transforms: Names of more.
        calibration: As in `transformed`.

    Raises:
        ModeError: There is no such mode or transformation, or it cannot run here.
    """
    mode, *named = name.split(PLUS)
    return with_transforms(mode_named(mode), [*named, *transforms], calibration=calibration)


def with_transforms(
    mode: ExecutionMode, transforms: Sequence[str], *, calibration: Example | None = None
) -> ExecutionMode:
    """The same mode for inference, of what the transformations make of a module.

    Raises:
        ModeError: There is no such transformation, or it cannot run here.
    """
    chosen = [transform_named(name) for name in transforms]
    if not transforms:
        return mode

    def changed(module: nn.Module, inputs: Inputs) -> GraphModule:
        return transformed(module, inputs, transforms, calibration=calibration)[0]

    def build(module: nn.Module, inputs: Inputs) -> Forward:
        graph = changed(module, inputs)
        return surrounded(graph, mode.build(graph, inputs))

    def code(module: nn.Module, inputs: Inputs) -> str:
        assert mode.code is not None
        return mode.code(changed(module, inputs), inputs)

    portable = mode.portable

    def save(module: nn.Module, example: Inputs, sizes: Sequence[int], file: IO[bytes], says: str) -> None:
        assert portable is not None
        portable.save(changed(module, example), example, sizes, file, says)

    return replace(
        mode,
        name=PLUS.join([mode.name, *transforms]),
        trains=False,
        precision=next((each.precision for each in chosen if each.precision), mode.precision),
        build=build,
        code=code if mode.code else None,
        portable=replace(portable, save=save) if portable else None,
    )
