"""A workload from a module and one example: inputs of other sizes are cut from it, or it is repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from pricebench.errors import WorkloadError
from pricebench.inputs import Example, Inputs
from pricebench.workload.found import found_dims
from pricebench.workload.workload import BATCH, FULL, Dims, Sizes, Workload

GivenDims: TypeAlias = Mapping[str, int | Mapping[int, str]]
"""`{"batch": 0}`: axis 0 of every input; or by input: `{"input_ids": {0: "batch", 1: "sequence"}}`."""

_FULL_ROWS = 8  # where the example has one row: a batch that is no special case


def from_example(
    name: str,
    module: nn.Module,
    example: Example,
    *,
    dims: GivenDims | None = None,
    shapes: Mapping[str, Sizes | int] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    targets: Any = None,
    tolerance: float | None = None,
) -> Workload:
    """Make a workload of a module and the arguments of one call.

    Args:
        name: A database key.
        module: Put into evaluation mode.
        example: A tensor, a tuple of arguments, a mapping of keyword arguments, or `Inputs`.
        dims: What varies; found by trying where it is left out.
        shapes: By default `full`, as the example is (8 rows where it has one); `residual`, three fifths of its batch;
            `single`, one row.
        loss: `(output, targets)` -> scalar.
        targets: For the example; resized along their first axis with the batch.
        tolerance: See `Workload`.

    Raises:
        WorkloadError: The module does not take the example, or dims do not fit it.
    """
    if not isinstance(module, nn.Module):
        raise WorkloadError(f"{name} gave a {type(module).__name__} as its module, expected a torch.nn.Module.")
    inputs = Inputs.of(example)
    module.eval()
    _try(name, module, inputs)
    notes: tuple[str, ...] = ()
    if dims is None:
        known, note = found_dims(module, inputs, resized)
        notes = (note,)
    else:
        known = _by_input(name, dims, inputs)
    sizes = sizes_of(name, inputs, known)
    if shapes is None:
        shapes, more = _default_shapes(sizes)
        notes += more
    for shape, wanted in shapes.items():
        unknown = set() if isinstance(wanted, int) else set(wanted) - set(sizes)
        if unknown or (isinstance(wanted, int) and BATCH not in sizes):
            raise WorkloadError(
                f"{name}: shape {shape} sets {', '.join(sorted(unknown)) or BATCH}, which is no dimension of the "
                f"example. Known: {', '.join(sizes) or 'none'}."
            )
    return Workload(
        name=name,
        module=module,
        make_inputs=lambda wanted: resized(inputs, known, wanted),
        make_targets=None if targets is None else lambda wanted: _resized_targets(targets, sizes, wanted),
        loss=loss,
        shapes={shape: {BATCH: found} if isinstance(found, int) else found for shape, found in shapes.items()},
        tolerance=tolerance,
        dims=known,
        notes=notes,
    )


def resized(inputs: Inputs, dims: Dims, sizes: Sizes) -> Inputs:
    """The same rows over and over, or the first of them, along each dimension."""
    places = iter([place for place, _ in inputs.tensors()])
    return inputs.map(lambda tensor: _resize(tensor, dims.get(next(places), {}), sizes))


def _resize(tensor: Tensor, axes: Mapping[int, str], sizes: Sizes) -> Tensor:
    for axis, name in axes.items():
        length, wanted = tensor.shape[axis], sizes.get(name, tensor.shape[axis])
        if length != wanted:
            tensor = tensor.index_select(axis, torch.arange(wanted, device=tensor.device) % length)
    return tensor.clone()


def _resized_targets(targets: Any, example: Sizes, sizes: Sizes) -> Any:
    rows, wanted = example.get(BATCH, 1), sizes.get(BATCH, 1)

    def resize(tensor: Tensor) -> Tensor:
        if tensor.ndim and len(tensor) == rows != wanted:
            return tensor[torch.arange(wanted, device=tensor.device) % rows]
        return tensor

    return pytree.tree_map_only(Tensor, resize, targets)


def sizes_of(name: str, inputs: Inputs, dims: Dims) -> dict[str, int]:
    """The size of each dimension in these inputs.

    Raises:
        WorkloadError: Two inputs disagree, or an axis is not there.
    """
    found: dict[str, int] = {}
    tensors = dict(inputs.tensors())
    for place, axes in dims.items():
        if place not in tensors:
            known = ", ".join(tensors) or "none"
            raise WorkloadError(
                f"{name}: dims name the input '{place}', which is no tensor of the example. Known: {known}."
            )
        shape = tuple(tensors[place].shape)
        for axis, dimension in axes.items():
            if not -len(shape) <= axis < len(shape):
                raise WorkloadError(f"{name}: dims name axis {axis} of input {place}, whose shape is {shape}.")
            if not shape[axis]:
                raise WorkloadError(
                    f"{name}: {dimension} is 0 in input {place}, whose shape is {shape}: there is nothing to repeat. "
                    "Give an example with at least one."
                )
            if found.setdefault(dimension, shape[axis]) != shape[axis]:
                raise WorkloadError(
                    f"{name}: {dimension} is {found[dimension]} in one input and {shape[axis]} in input {place}. "
                    "Give them dimensions of their own."
                )
    return found


def _by_input(name: str, dims: GivenDims, inputs: Inputs) -> Dims:
    if not isinstance(dims, Mapping):
        raise WorkloadError(f"{name}: dims are a {type(dims).__name__}, expected a mapping such as {{'batch': 0}}.")
    known: dict[str, dict[int, str]] = {}
    for key, value in dims.items():
        if isinstance(value, int):
            having = [place for place, tensor in inputs.tensors() if -tensor.ndim <= value < tensor.ndim]
            if not having:
                raise WorkloadError(f"{name}: dims say that {key} is axis {value}, which no input has.")
            for place in having:
                known.setdefault(place, {})[value] = key
        elif isinstance(value, Mapping):
            known.setdefault(key, {}).update({int(axis): str(dimension) for axis, dimension in value.items()})
        else:
            raise WorkloadError(
                f"{name}: dims give {key} a {type(value).__name__}, expected an axis, such as "
                f"{{'batch': 0}}, or axes by number, such as {{'{key}': {{0: 'batch'}}}}."
            )
    return known


def _default_shapes(sizes: Sizes) -> tuple[dict[str, Sizes], tuple[str, ...]]:
    if BATCH not in sizes:
        return {FULL: sizes}, ()
    rows = sizes[BATCH]
    notes: tuple[str, ...] = ()
    if rows == 1:
        rows = _FULL_ROWS
        notes = (f"the example has one row: full repeats it {rows} times",)
    shapes: dict[str, Sizes] = {FULL: {**sizes, BATCH: rows}}
    if rows * 3 // 5 > 1:
        shapes["residual"] = {**sizes, BATCH: rows * 3 // 5}
    if rows > 1:
        shapes["single"] = {**sizes, BATCH: 1}
    return shapes, notes


def _try(name: str, module: nn.Module, inputs: Inputs) -> None:
    try:
        with torch.inference_mode():
            inputs.clone().call(module)
    # Anything may be wrong between a module and an example of somebody's.
    except Exception as error:
        words = next(iter(str(error).strip().splitlines()), "")
        raise WorkloadError(
            f"{name}: the module {type(module).__name__} does not take its example: {type(error).__name__}: {words}. "
            "Give the arguments of a call that works."
        ) from error
