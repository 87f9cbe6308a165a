"""torch.compile: TorchDynamo captures the graph at the first call, TorchInductor generates kernels for it.

Nothing is compiled before the first call, and again for the first call with another shape, so both belong to whoever
times them. Compiled code is cached per code object: two instances of one class share graphs (`forget` drops them all).
"""

from __future__ import annotations

import torch
from torch import nn

from pricebench.inputs import Inputs
from pricebench.modes import inductor_code, toolchain
from pricebench.modes.base import ExecutionMode, Forward


def forget() -> None:
    """Drop every compiled graph and guard of this process: what was compiled before cannot change what follows."""
    torch.compiler.reset()


def _build(module: nn.Module, inputs: Inputs) -> Forward:  # noqa: ARG001 - compiled at the first call
    compiled: Forward = torch.compile(module)
    return compiled


MODE = ExecutionMode(
    name="compile",
    summary="TorchDynamo captures, TorchInductor generates kernels; compiles at the first call and for new shapes",
    needs_compiler=True,
    needs="a C++ compiler and Python's headers",
    missing=toolchain.missing,
    sizes=toolchain.SIZES,
    build=_build,
    code=inductor_code.code,
)
