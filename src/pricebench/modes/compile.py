"""torch.compile: TorchDynamo captures the graph at the first call, TorchInductor generates kernels for it.

Nothing is compiled before the first call, and again for the first call with another shape, so both belong to whoever
times them. Compiled code is cached per code object: two instances of one class share graphs (`forget` drops them all).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import torch
from torch import nn

from pricebench.errors import printable
from pricebench.inputs import Inputs
from pricebench.modes import inductor_code
from pricebench.modes.base import ExecutionMode, Forward

_PATIENCE = 30.0  # seconds; a machine that is busy with much else needs some


def forget() -> None:
    """Drop every compiled graph and guard of this process: what was compiled before cannot change what follows."""
    torch.compiler.reset()


def _missing() -> str | None:
    """Inductor's needs on a CPU: a C++ compiler, found the way Inductor finds it, and Python's headers."""
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", default)
    # "ccache g++" is two words; a backslash is part of a path on Windows.
    words = tuple(shlex.split(compiler, posix=sys.platform != "win32"))
    if shutil.which(next(iter(words), "")) is None:
        return f"no C++ compiler: '{compiler}' is not on the PATH. Install one (Debian: g++) or set CXX"
    failure = _failure(words)
    if failure:
        return f"the C++ compiler '{compiler}' does not work: {failure}. Install another (Debian: g++) or set CXX"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return "Python's C headers are not installed. Install them (Debian: python3-dev)"
    return None


@cache
def _failure(compiler: tuple[str, ...]) -> str | None:
    """Why the compiler cannot compile an empty file, tried once per process: 20 ms now spare a failed first call."""
    if sys.platform == "win32":  # its compiler takes no source from a pipe
        return None
    try:
        tried = subprocess.run(
            [*compiler, "-x", "c++", "-fsyntax-only", "-"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"it compiled nothing in {_PATIENCE:g} s"
    said = printable(next((line for line in tried.stderr.splitlines() if line.strip()), "").strip())
    return f"exit status {tried.returncode} on an empty file{said and f' ({said})'}" if tried.returncode else None


def _build(module: nn.Module, inputs: Inputs) -> Forward:  # noqa: ARG001 - compiled at the first call
    compiled: Forward = torch.compile(module)
    return compiled


# Steps of eight: padding costs little where a call is mostly overhead, and five graphs are compiled in seconds.
_SIZES = (1, 8, 64, 512, 2048)

MODE = ExecutionMode(
    name="compile",
    summary="TorchDynamo captures, TorchInductor generates kernels; compiles at the first call and for new shapes",
    needs_compiler=True,
    needs="a C++ compiler and Python's headers",
    missing=_missing,
    sizes=_SIZES,
    build=_build,
    code=inductor_code.code,
)
