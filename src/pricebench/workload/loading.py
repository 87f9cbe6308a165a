"""From `module:function` or `path/to/file.py:function` to a workload."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from pricebench.errors import WorkloadError
from pricebench.workload.example import GivenDims, from_example
from pricebench.workload.workload import Workload

HOUSE_PRICES = "pricebench.workload:house_prices"
_RESIDUAL_ROWS = 1207  # that of house prices, for a function that must be given a number and nobody named one


def load_workload(name: str, *, residual_rows: int | None = None, dims: GivenDims | None = None) -> Workload:
    """Call the function that `name` names.

    Args:
        name: `module:function`, with the current folder on the path, or `path/to/file.py:function`. The function gives
            a `Workload`, or a module with the example of a call: `(module, example)`, `(module, example, dims)`.
        residual_rows: Handed to a function that has a parameter of this name; else the residual shape is set to it.
        dims: What varies, where the function does not say so and another process has found it.

    Raises:
        WorkloadError: There is no such function, it raises, or it gives something else.
    """
    source, _, function = name.rpartition(":")
    if not source or not function:
        raise WorkloadError(f"The workload is '{name}', expected module:function or path/to/file.py:function.")
    make = _function(name, source, function)
    parameters = _parameters(make)
    takes_rows = "residual_rows" in parameters
    handed = residual_rows
    if handed is None and takes_rows and parameters["residual_rows"].default is inspect.Parameter.empty:
        handed = _RESIDUAL_ROWS
    try:
        made = make(residual_rows=handed) if takes_rows and handed is not None else make()
    except WorkloadError:
        raise
    # Somebody's function may raise anything.
    except Exception as error:
        words = next(iter(str(error).strip().splitlines()), "")
        raise WorkloadError(f"The workload {name} cannot be made: {type(error).__name__}: {words}.") from error
    workload = _as_workload(name, function, made, dims)
    if residual_rows is not None and not takes_rows and workload.batch:
        shapes = {**workload.shapes, "residual": workload.sizes(residual_rows)}
        workload = replace(workload, shapes=shapes)
    return workload


def _as_workload(name: str, function: str, made: Any, dims: GivenDims | None) -> Workload:
    if isinstance(made, Workload):
        return made
    if isinstance(made, nn.Module):
        raise WorkloadError(
            f"{name} gave a module alone, expected (module, example): the arguments of a call are missing."
        )
    if isinstance(made, tuple) and len(made) in (2, 3):
        given = made[2] if len(made) == 3 else dims
        return from_example(_key(name, function), made[0], made[1], dims=given)
    raise WorkloadError(
        f"{name} gave a {type(made).__name__}, expected a pricebench.Workload, (module, example) or "
        "(module, example, dims)."
    )


def _key(name: str, function: str) -> str:
    """What a history calls it: the file and the function, for `build` alone says nothing."""
    source = name.rpartition(":")[0]
    stem = Path(source).stem if source.endswith(".py") else source.rpartition(".")[2]
    return stem if function == "build" else f"{stem}.{function}"


def _function(name: str, source: str, function: str) -> Any:
    try:
        module = _from_file(Path(source)) if source.endswith(".py") else _from_path(source)
    except FileNotFoundError as error:
        raise WorkloadError(f"The workload {name} cannot be found: there is no file {source} here.") from error
    # Importing runs somebody's code, and a script may end itself.
    except (Exception, SystemExit) as error:
        words = next(iter(str(error).strip().splitlines()), "")
        raise WorkloadError(f"The workload {name} cannot be imported: {type(error).__name__}: {words}.") from error
    found = getattr(module, function, None)
    if not callable(found):
        word = "no" if found is None else "no callable"
        raise WorkloadError(f"The workload {name} cannot be found: {source} has {word} '{function}'.")
    return found


def _from_path(source: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return import_module(source)


def _from_file(path: Path) -> ModuleType:
    """The module of a file, whose neighbours it can import as a script could."""
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(path)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) != str(path):
        # A module of that name is there already, such as `random`: this file gets a name that nobody else has.
        name = f"{path.stem} of {path.parent}"
        known = sys.modules.get(name)
    else:
        name = path.stem
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # TorchScript and torch.compile look a class's module up by its name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        # Half a module must not be found by whoever asks next.
        del sys.modules[name]
        raise
    return module


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
