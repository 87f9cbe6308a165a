"""TorchScript: the module's source is compiled to a graph that runs without Python; frozen for inference."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import ExecutionMode, Forward, always_available, reason_of
from pricebench.modes.portable import SAYS_FILE, Portable, said_in_archive


@contextmanager
def deprecation_is_known() -> Iterator[None]:
    """Silence torch.jit's own notice: `pricebench modes` shows it once, instead of every call."""
    with warnings.catch_warnings():
        # 2.11 warns with the first class, 2.15 with the second.
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        yield


def script(module: nn.Module) -> torch.jit.ScriptModule:
    """Compile a module's source.

    Raises:
        ModeError: The source uses what TorchScript does not know.
    """
    try:
        with deprecation_is_known():
            # About torch.fx's own GraphModule, whose annotations nothing reads.
            warnings.filterwarnings("ignore", message="The TorchScript type system doesn't support instance-level")
            return torch.jit.script(module)
    # Syntax outside its subset is a FrontendError, most else a RuntimeError, a missing source file an OSError; and what
    # a module's own properties raise when they are looked at.
    except Exception as error:
        raise ModeError(
            f"torchscript cannot compile {type(module).__name__}: {reason_of(error)}. Rewrite that line or use "
            "another mode."
        ) from error


def _save(module: nn.Module, example: Inputs, sizes: Sequence[int], file: IO[bytes], says: str) -> None:  # noqa: ARG001
    """Script, freeze and write a copy of a module so that a C++ program can load it."""
    with deprecation_is_known():
        frozen = torch.jit.freeze(script(copy.deepcopy(module).eval()))
        torch.jit.save(frozen, file, _extra_files={SAYS_FILE: says})


def _load(path: Path) -> Forward:
    with deprecation_is_known():
        loaded: Forward = torch.jit.load(path)  # type: ignore[no-untyped-call]
    return loaded


def _build(module: nn.Module, inputs: Inputs) -> Forward:  # noqa: ARG001 - scripted from source: no input is run
    return script(module)


def _freeze(built: Forward) -> Forward:
    assert isinstance(built, torch.jit.ScriptModule)
    with deprecation_is_known():
        frozen: Forward = torch.jit.freeze(built)
    return frozen


def _code(module: nn.Module, inputs: Inputs) -> str:  # noqa: ARG001
    """The code that scripting understood, and the frozen graph that inference runs."""
    scripted = script(copy.deepcopy(module).eval())
    source = str(scripted.code).strip()
    frozen = _freeze(scripted)
    assert isinstance(frozen, torch.jit.ScriptModule)
    # Without the source ranges: they are paths of this machine.
    return f"{source}\n\n{frozen.inlined_graph.str(False).strip()}"  # type: ignore[attr-defined]


MODE = ExecutionMode(
    name="torchscript",
    summary="compiled from source to a graph, frozen; runs without Python",
    needs_python=False,
    needs="the module's source, in TorchScript's subset of Python",
    deprecation="deprecated since torch 2.11; PyTorch names torch.compile and torch.export as successors",
    missing=always_available,
    build=_build,
    freeze=_freeze,
    code=_code,
    portable=Portable(suffix=".ts", save=_save, load=_load, says=said_in_archive),
)
