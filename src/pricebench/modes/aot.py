"""AOTInductor: torch.export captures, Inductor compiles ahead of time; what runs is machine code without a compiler.

A package is for one shape of inputs, which is what is fastest. It is made at the first call with that shape, as in
`compile`, and kept in a cache of this user, so that the next process loads it in milliseconds.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import torch
from torch import Tensor, nn

from pricebench.inputs import Inputs
from pricebench.modes import toolchain
from pricebench.modes.base import ExecutionMode, Forward, PerShape
from pricebench.modes.flat import Flat, flattened
from pricebench.modes.packages import ONLY_MODEL, Run, bundle, exported, load, models_in, package_of
from pricebench.modes.portable import Portable, said_in_archive

_ROWS = "rows_"
# One more than for `compile`: a call of eight rows takes twice as long as one of two to four.
_SIZES = (1, 4, *toolchain.SIZES[1:])

Key: TypeAlias = tuple[Any, ...]


class AheadOfTime(PerShape):
    """A module as machine code for each shape of inputs, which is compiled when the shape is first met."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._made: dict[Key, tuple[Flat, Run]] = {}
        # A lone tensor to a lone tensor needs no pytrees, which take longer than a small model.
        self._lone: dict[Key, Run] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run; compile before where there is no package for these shapes."""
        if len(args) == 1 and not kwargs and type(args[0]) is Tensor:
            x = args[0]
            run = self._lone.get((x.shape, x.dtype))
            if run is not None:
                return run([x if x.is_contiguous() else x.contiguous()])[0]
        leaves, places = flattened(args, kwargs)
        key = (str(places), *((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves))
        if key not in self._made:
            self._made[key] = flat, run = self._make(Inputs(args, kwargs))
            if flat.maps_tensor_to_tensor:
                self._lone[args[0].shape, args[0].dtype] = run
        flat, run = self._made[key]
        return flat.answer(run([tensor.contiguous() for tensor in flat.read(args, kwargs)]))

    def for_shape_of(self, x: Tensor) -> Forward:
        """Compile now, if need be."""
        self(x)
        run = self._lone[x.shape, x.dtype]
        return lambda x: run([x])[0]

    def _make(self, inputs: Inputs) -> tuple[Flat, Run]:
        flat = Flat(self._module, inputs.map(_plain))
        return flat, load(package_of(exported(flat)))


def _plain(tensor: Tensor) -> Tensor:
    """A tensor as export wants it: not of `inference_mode`, without a gradient, its rows one after the other."""
    with torch.inference_mode(mode=False):
        return tensor.detach().clone(memory_format=torch.contiguous_format)


def _build(module: nn.Module, inputs: Inputs) -> Forward:  # noqa: ARG001 - compiled at the first call
    return AheadOfTime(module)


def _save(module: nn.Module, example: Inputs, sizes: Sequence[int], file: IO[bytes], says: str) -> None:
    """Write a package with a model for each of the sizes, `rows_8`, and one for any number of rows, `model`."""
    programs = {f"{_ROWS}{size}": exported(Flat(module, _repeated(example, size))) for size in sizes}
    programs[ONLY_MODEL] = exported(Flat(module, _repeated(example, 2)), any_batch=True)
    bundle(programs, file, says)


class _Loaded(PerShape):
    """The models of a file, of a tensor to a tensor, which is what `export` writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._models = models_in(path)
        self._runs: dict[str, Run] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Any number of rows."""
        return self._run(x.shape[0])([x.contiguous()])[0]

    def for_shape_of(self, x: Tensor) -> Forward:
        """Loaded now, if need be."""
        run = self._run(x.shape[0])
        return lambda x: run([x])[0]

    def _run(self, num_rows: int) -> Run:
        name = f"{_ROWS}{num_rows}"
        model = name if name in self._models else ONLY_MODEL
        if model not in self._runs:
            self._runs[model] = load(self._path, model)
        return self._runs[model]


def _repeated(example: Inputs, rows: int) -> Inputs:
    return example.map(lambda tensor: tensor.repeat(rows, *[1] * (tensor.ndim - 1)) if tensor.ndim else tensor)


def _code(module: nn.Module, inputs: Inputs) -> str:
    """The C++ of the package: first what calls the kernels, then the kernels."""
    package = package_of(exported(Flat(module, inputs.map(_plain))))
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
    sizes=_SIZES,
    records_gradients=False,
    build=_build,
    code=_code,
    portable=Portable(suffix=".pt2", save=_save, load=_Loaded, says=said_in_archive),
)
