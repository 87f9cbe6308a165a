"""torch.fx: the module is traced to a graph of operators, and Python code regenerated from it is run."""

from __future__ import annotations

import torch.fx
from torch import Tensor, nn
from torch.fx.proxy import TraceError

from pricebench.errors import ModeError
from pricebench.modes.base import ExecutionMode, Forward, always_available, reason_of


def _trace(module: nn.Module) -> torch.fx.GraphModule:
    try:
        return torch.fx.symbolic_trace(module)
    # What a symbolic value does where a number is needed: as a condition, an index, an argument of len() or NumPy.
    except (TraceError, TypeError, RuntimeError, ValueError) as error:
        raise ModeError(
            f"fx cannot trace {type(module).__name__}: {reason_of(error)}. Its control flow may not depend on values; "
            "use another mode."
        ) from error


def _build(module: nn.Module, example: Tensor) -> Forward:  # noqa: ARG001 - symbolic: no input is run
    return _trace(module)


def _code(module: nn.Module, example: Tensor) -> str:  # noqa: ARG001
    return _trace(module).code.strip()


MODE = ExecutionMode(
    name="fx",
    summary="symbolic trace; regenerated Python calls the operators",
    needs="control flow that does not depend on values",
    missing=always_available,
    build=_build,
    code=_code,
)
