"""What of an example may vary, found by trying: `torch.export` says which axes stay open, and running decides.

Where a model cannot be exported, a number on its first axis that all inputs share is tried as the batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn

from pricebench.inputs import Inputs
from pricebench.workload.workload import BATCH, Dims, Sizes

Resize: TypeAlias = Callable[[Inputs, Dims, Sizes], Inputs]


def found_dims(module: nn.Module, inputs: Inputs, resize: Resize) -> tuple[Dims, str]:
    """The dimensions that vary, and a sentence about how they were found.

    Args:
        module: In evaluation mode.
        inputs: That it takes.
        resize: `(inputs, dims, sizes)` -> inputs of other sizes.
    """
    first: Dims = {place: {0: BATCH} for place, tensor in inputs.tensors() if tensor.ndim}
    rows = {tensor.shape[0] for _, tensor in inputs.tensors() if tensor.ndim}
    # Ones are never left open: a batch of one is exported as a batch of two.
    enlarged = resize(inputs, first, {BATCH: 2}) if rows == {1} and _runs(module, inputs, first, resize, 2) else inputs
    named, reason = _exported(module, enlarged)
    how = "by torch.export"
    if not named and len(rows) == 1:
        named = {place: dict(axes) for place, axes in first.items()}
        how = "by running other batches" + (f", for torch.export cannot take it ({reason})" if reason else "")
    places: dict[str, list[tuple[str, int]]] = {}
    for place, axes in named.items():
        for axis, name in axes.items():
            places.setdefault(name, []).append((place, axis))
    tensors = dict(inputs.tensors())
    working: dict[str, dict[int, str]] = {}
    told, refused = [], []
    for name, axes_of in places.items():
        alone: dict[str, dict[int, str]] = {}
        for place, axis in axes_of:
            alone.setdefault(place, {})[axis] = name
        size = tensors[axes_of[0][0]].shape[axes_of[0][1]]
        if all(_runs(module, inputs, alone, resize, other, name) for other in (1, 2, 2 * size)):
            for place, open_axes in alone.items():
                working.setdefault(place, {}).update(open_axes)
            told.append(f"{name} is {', '.join(f'axis {axis} of input {place}' for place, axis in axes_of)}")
        else:
            refused.append(f"; {name} is fixed, for other sizes failed")
    return working, f"found {how}: {'; '.join(told) or 'no dimension varies'}{''.join(refused)}"


def _runs(module: nn.Module, inputs: Inputs, dims: Dims, resize: Resize, size: int, name: str = BATCH) -> bool:
    try:
        with torch.inference_mode():
            resize(inputs, dims, {name: size}).call(module)
    # Whatever a module's own code raises at a size means that it does not take that size.
    except Exception:
        return False
    return True


def _exported(module: nn.Module, inputs: Inputs) -> tuple[dict[str, dict[int, str]], str]:
    """The axes that export leaves open, those that must be equal under one name; or why it cannot take the module."""
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    tensors = list(inputs.tensors())
    for _, tensor in tensors:
        shapes[tensor] = dict.fromkeys(range(tensor.ndim), torch.export.Dim.AUTO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, inputs.args, dict(inputs.kwargs), dynamic_shapes=shapes)
    # Export runs the module's own code on symbolic values, which may raise anything.
    except Exception as error:
        words = next(iter(str(error).strip().splitlines()), "")
        return {}, f"{type(error).__name__}: {words}"[:150]
    finally:
        torch.compiler.reset()
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    given = [values[name] for name in program.graph_signature.user_inputs if isinstance(name, str)]
    symbolic = [value for value in given if isinstance(value, torch.Tensor)]
    if len(symbolic) != len(tensors):
        return {}, f"it sees {len(symbolic)} tensors, expected {len(tensors)}"
    names: dict[str, str] = {}
    found: dict[str, dict[int, str]] = {}
    for (place, tensor), value in zip(tensors, symbolic, strict=True):
        for axis in range(tensor.ndim):
            if isinstance(value.shape[axis], torch.SymInt):
                symbol = str(value.shape[axis])
                found.setdefault(place, {})[axis] = names.setdefault(symbol, _name(axis, names.values()))
    return found, ""


def _name(axis: int, taken: Any) -> str:
    name = BATCH if axis == 0 and BATCH not in taken else f"axis{axis}"
    while name in taken:
        name += "_"
    return name
