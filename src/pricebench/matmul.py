"""How torch's own operators multiply matrices in training: by torch's choice, by another library, or in fewer bits.

Builds of torch for x86 call MKL, which leaves a part of an AMD CPU unused (`pricebench limits` says how much here).
`torch.set_float32_matmul_precision("medium")` hands products over to oneDNN and allows it bfloat16; on CPUs where it
computes in float32 all the same, that is another library and no other arithmetic. Mixed precision (`torch.autocast`) is
another arithmetic: factors of 8 bits instead of 24, summed in float32; weights and their updates stay float32. So is
TF32 of CUDA devices: factors of 11 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

from pricebench.cpu import bfloat16_missing
from pricebench.devices import CPU, CUDA
from pricebench.errors import PricebenchError, unknown_name

TORCH, ONEDNN, TF32, BFLOAT16, AUTO = "torch", "onednn", "tf32", "bfloat16", "auto"
CHOICES = (AUTO, TORCH, ONEDNN, TF32, BFLOAT16)
_PRECISION = {ONEDNN: "medium", TF32: "high"}

_AMPERE = 8  # the first compute capability with TF32 and bfloat16
_INNER = 256
# Of the sum of magnitudes: sums of 256 products in float32 are off by less than 2 ** -16 in any order (Higham),
# products of bfloat16 by 2 ** -8.
_FLOAT32 = 2.0**-14


@contextmanager
def precision(name: str) -> Iterator[None]:
    """`torch.set_float32_matmul_precision(name)`, and back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def multiplied_by(library: str) -> AbstractContextManager[None]:
    """Let a library multiply what this process multiplies meanwhile; set for all its threads, and set back.

    Args:
        library: "torch", "onednn", "tf32" or "bfloat16", as `chosen` gives them.
    """
    return precision(_PRECISION[library]) if library in _PRECISION else nullcontext()


def forward_in(library: str, device: str = CPU) -> AbstractContextManager[Any]:
    """What a forward pass and its loss run in; the backward pass then multiplies as they did.

    Args:
        library: As for `multiplied_by`.
        device: "cpu" or "cuda".
    """
    return torch.autocast(device, torch.bfloat16) if library == BFLOAT16 else nullcontext()


def chosen(name: str, device: str = CPU) -> str:
    """The library of a choice: always the same on one machine, so that what is trained is reproducible.

    Args:
        name: One of `CHOICES`. "auto" is bfloat16 where the CPU multiplies in it; else oneDNN on CPUs of AMD, where
            it computes in float32; else, and on a CUDA device, torch's choice.
        device: "cpu" or "cuda", which is there.

    Raises:
        PricebenchError: There is no such choice, oneDNN would not compute in float32 here, or the device cannot
            multiply so.
    """
    if name not in CHOICES:
        raise PricebenchError(unknown_name("library of matrix products", name, CHOICES))
    if device == CUDA:
        return _chosen_on_cuda(name)
    if name == TF32:
        raise PricebenchError("TF32 is a format of CUDA devices: --matmul tf32 needs --device cuda. Use auto.")
    if name == ONEDNN and not onednn_keeps_float32():
        raise PricebenchError(
            "oneDNN does not multiply in float32 here: it is missing, or uses bfloat16 under 'medium'. Use torch."
        )
    if name == BFLOAT16 and (reason := _bfloat16_missing()):
        raise PricebenchError(f"Training cannot multiply in bfloat16 here: {reason}. Use auto.")
    if name == AUTO:
        if _bfloat16_missing() is None:
            return BFLOAT16
        return ONEDNN if _is_amd() and onednn_keeps_float32() else TORCH
    return name


def _chosen_on_cuda(name: str) -> str:
    if name == ONEDNN:
        raise PricebenchError("oneDNN multiplies on CPUs: --matmul onednn needs --device cpu. Use auto.")
    major, minor = torch.cuda.get_device_capability()
    if name in (TF32, BFLOAT16) and major < _AMPERE:
        raise PricebenchError(
            f"--matmul {name}: expected a CUDA device of compute capability {_AMPERE}.0, found {major}.{minor}. "
            "Use auto."
        )
    return TORCH if name == AUTO else name


def _bfloat16_missing() -> str | None:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "this build of torch has no oneDNN"
    return bfloat16_missing()


@cache
def onednn_keeps_float32() -> bool:
    """Whether products under "medium" are as exact as float32 sums are: measured once, against float64."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(_INNER, _INNER, generator=generator) for _ in range(2))
    with precision(_PRECISION[ONEDNN]), torch.no_grad():
        found = x @ w
    error = (found.double() - x.double() @ w.double()).abs()
    return bool((error <= _FLOAT32 * (x.double().abs() @ w.double().abs())).all())


@cache
def _is_amd() -> bool:
    try:
        return "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # another system
        return False
