"""AOTInductor: torch.export captures, Inductor compiles ahead of time; what runs is machine code without a compiler.

A package is for one shape of inputs, which is what is fastest. It is made at the first call with that shape, as in
`compile`, and kept in a cache of this user, so that the next process loads it in milliseconds.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree  # PyTorch has no public name for it before 2.16

from pricebench.inputs import Inputs
from pricebench.modes import toolchain
from pricebench.modes.base import ExecutionMode, Forward
from pricebench.modes.packages import ONLY_MODEL, Run, bundle, exported, load, models_in, package_of
from pricebench.modes.portable import Portable, said_in_archive

_ROWS = "rows_"

Key: TypeAlias = tuple[Any, ...]
Made: TypeAlias = tuple[Run, pytree.TreeSpec]


class AheadOfTime:
    """A module as machine code for each shape of inputs, which is made, or found, when the shape is first met."""

    def __init__(self, make: Callable[[Inputs], Made]) -> None:
        """Args: `make`: inputs -> what runs on the tensors of inputs of these shapes, and the pytree of its outputs."""
        self._make = make
        self._made: dict[Key, Made] = {}
        # A lone tensor to a lone tensor needs no pytrees, which take longer than a small model.
        self._lone: dict[Key, Run] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run."""
        if len(args) == 1 and not kwargs and type(args[0]) is Tensor:
            x = args[0]
            run = self._lone.get((x.shape, x.dtype))
            if run is not None:
                return run([x if x.is_contiguous() else x.contiguous()])[0]
        return self._call(Inputs(args, kwargs))

    def _call(self, inputs: Inputs) -> Any:
        leaves, spec = pytree.tree_flatten((inputs.args, dict(inputs.kwargs)))
        key = (str(spec), *((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves))
        if key not in self._made:
            self._made[key] = self._make(inputs.map(_plain))
        run, out_spec = self._made[key]
        lone = inputs.args[0] if len(inputs.args) == 1 and not inputs.kwargs else None
        if type(lone) is Tensor and out_spec.is_leaf():
            self._lone[lone.shape, lone.dtype] = run
        outputs = run([leaf.contiguous() for leaf in leaves if isinstance(leaf, Tensor)])
        return pytree.tree_unflatten(outputs, out_spec)


def _plain(tensor: Tensor) -> Tensor:
    """A tensor as export wants it: not of `inference_mode`, without a gradient, its rows one after the other."""
    with torch.inference_mode(mode=False):
        return tensor.detach().clone(memory_format=torch.contiguous_format)


def _build(module: nn.Module, inputs: Inputs) -> Forward:  # noqa: ARG001 - compiled at the first call
    return AheadOfTime(lambda called: load(package_of(exported(module, called))))


def _save(module: nn.Module, example: Inputs, sizes: Sequence[int], file: IO[bytes], says: str) -> None:
    """Write a package with a model for each of the sizes, `rows_8`, and one for any number of rows, `model`."""
    programs = {f"{_ROWS}{size}": exported(module, _repeated(example, size)) for size in sizes}
    programs[ONLY_MODEL] = exported(module, _repeated(example, 2), any_batch=True)
    bundle(programs, file, says)


def _load(path: Path) -> Forward:
    models = models_in(path)

    def make(inputs: Inputs) -> Made:
        fitting = {f"{_ROWS}{tensor.shape[0]}" for _, tensor in inputs.tensors() if tensor.ndim} & models
        return load(path, *fitting) if len(fitting) == 1 else load(path)

    return AheadOfTime(make)


def _repeated(example: Inputs, rows: int) -> Inputs:
    return example.map(lambda tensor: tensor.repeat(rows, *[1] * (tensor.ndim - 1)) if tensor.ndim else tensor)


def _code(module: nn.Module, inputs: Inputs) -> str:
    """The C++ of the package: first what calls the kernels, then the kernels."""
    package = package_of(exported(module, inputs.map(_plain)))
    with zipfile.ZipFile(package) as archive:
        sources = sorted(name for name in archive.namelist() if name.endswith(".cpp"))
        return "\n\n".join(f"// {Path(name).name}\n{archive.read(name).decode().strip()}" for name in reversed(sources))


MODE = ExecutionMode(
    name="aot",
    summary="torch.export captures, AOTInductor compiles a package per shape ahead of time; loads without a compiler",
    needs_python=False,
    trains=False,
    needs_compiler=True,
    needs="a C++ compiler and Python's headers, where the package is made",
    missing=toolchain.missing,
    sizes=toolchain.SIZES,
    records_gradients=False,
    build=_build,
    code=_code,
    portable=Portable(suffix=".pt2", save=_save, load=_load, says=said_in_archive),
)
