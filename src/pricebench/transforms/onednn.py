"""What oneDNN did in a call, as it says itself: which kernels, in which arithmetic, with what fused into them.

Its log goes to the process's standard output, below Python: for the length of a call that is a file.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

_STDOUT = 1
_MARK = "onednn_verbose"
_PRODUCTS = ("matmul", "inner_product")
_FUSED = ("relu", "sum", "gelu", "tanh", "logistic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One that was run.

    Attributes:
        kind: `matmul`, `reorder`, ...
        kernel: Its implementation, such as `brg_matmul:avx512_core`.
        dtypes: Of the input and the weight, such as `("f32", "f32")`.
        fused: What is applied to the output before it is written, such as `("relu",)`.
    """

    kind: str
    kernel: str
    dtypes: tuple[str, ...]
    fused: tuple[str, ...]


def primitives(call: Callable[[], object]) -> list[Primitive]:
    """Run something, and list what oneDNN ran meanwhile; nothing where torch has no oneDNN."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        call()
        return []
    libc = ctypes.CDLL(None)
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        libc.fflush(None)
        before = os.dup(_STDOUT)
        os.dup2(file.fileno(), _STDOUT)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):  # type: ignore[no-untyped-call]
                call()
        finally:
            libc.fflush(None)
            os.dup2(before, _STDOUT)
            os.close(before)
        file.seek(0)
        lines = file.read().decode(errors="replace").splitlines(keepends=True)
    # What others have printed meanwhile.
    os.write(_STDOUT, "".join(line for line in lines if not line.startswith(_MARK)).encode())
    return read(lines)


def read(lines: Iterable[str]) -> list[Primitive]:
    """The primitives of a log.

    >>> read(["onednn_verbose,v1,primitive,exec,cpu,matmul,brg:avx2,undef,src:f32::ab wei:f32::ab,attr-post-ops:relu"])
    [Primitive(kind='matmul', kernel='brg:avx2', dtypes=('f32', 'f32'), fused=('relu',))]
    """
    found = []
    for line in lines:
        fields = line.split(",")
        if fields[0] != _MARK or "exec" not in fields:
            continue
        # The engine, the kind and the kernel follow; the form before them has changed between versions.
        kind, kernel = fields[fields.index("exec") + 2 :][:2]
        memory = next((field.split() for field in fields if field.startswith("src")), [])
        types = [each.split(":")[1] for each in memory if each.startswith(("src", "wei"))]
        attributes = next((field for field in fields if "attr-post-ops" in field), "").partition("attr-post-ops:")[2]
        fused = tuple(name for name in _FUSED if name in attributes)
        found.append(Primitive(kind=kind, kernel=kernel, dtypes=tuple(types), fused=fused))
    return found


def products_told(ran: Iterable[Primitive]) -> str:
    """The products among them, in a sentence; empty where there are none."""
    counted = Counter(
        f"{each.kernel} of {' and '.join(dict.fromkeys(each.dtypes))}"
        + (f" with {' and '.join(each.fused)}" if each.fused else "")
        for each in ran
        if each.kind in _PRODUCTS
    )
    listed = "; ".join(f"{number} by {how}" for how, number in counted.items())
    return f"oneDNN ran {sum(counted.values())} products in this call: {listed}." if counted else ""
