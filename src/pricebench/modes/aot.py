"""AOTInductor: torch.export captures, Inductor compiles ahead of time; what runs is machine code without a compiler.

A package is for one shape of inputs, which is what is fastest. It is made at the first call with that shape, as in
`compile`, and kept in a cache of this user, so that the next process loads it in milliseconds.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree  # PyTorch has no public name for it before 2.16

from pricebench.inputs import Inputs
from pricebench.modes import toolchain
from pricebench.modes.base import ExecutionMode, Forward
from pricebench.modes.packages import Run, exported, load, package_of

Key: TypeAlias = tuple[Any, ...]


class AheadOfTime:
    """A module as packages of machine code, one for each shape of inputs; a call with a new shape compiles another."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._runs: dict[Key, tuple[Run, Any]] = {}
        # A lone tensor to a lone tensor needs no pytrees, which take longer than a small model.
        self._lone: dict[Key, Run] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run; compile before where there is no package for these shapes."""
        if len(args) == 1 and not kwargs and type(args[0]) is Tensor:
            x = args[0]
            run = self._lone.get((x.shape, x.dtype))
            if run is not None:
                return run([x if x.is_contiguous() else x.contiguous()])[0]
        return self._call(Inputs(args, kwargs))

    def _call(self, inputs: Inputs) -> Any:
        leaves, spec = pytree.tree_flatten((inputs.args, dict(inputs.kwargs)))
        key = (str(spec), *((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves))
        if key not in self._runs:
            self._runs[key] = load(package_of(exported(self._module, inputs.map(_plain))))
        run, out_spec = self._runs[key]
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
    return AheadOfTime(module)


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
    build=_build,
    code=_code,
)
