"""What modes that compile with Inductor share on a CPU: whether its compiler is there, and the sizes that pay."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from pricebench.errors import printable

# Steps of eight: padding costs little where a call is mostly overhead, and five graphs are compiled in seconds.
SIZES = (1, 8, 64, 512, 2048)
"""Batch sizes to prepare, of a mode that compiles for each new one."""

_PATIENCE = 30.0  # seconds; a machine that is busy with much else needs some


def missing() -> str | None:
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
