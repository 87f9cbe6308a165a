"""torch.fx: the module is traced to a graph of operators, and Python code regenerated from it is run."""

from __future__ import annotations

import inspect

import torch.fx
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import ExecutionMode, Forward, always_available, reason_of


def _trace(module: nn.Module, inputs: Inputs) -> torch.fx.GraphModule:
    try:
        # What a call leaves out is known: traced as a value, a branch on it would depend on that value.
        left_out = _defaults(module, inputs)
        return torch.fx.symbolic_trace(module, concrete_args=left_out or None)
    # The module's own code runs on symbolic values, and may raise anything where it needs a number: in a condition, as
    # an index, in a call of NumPy.
    except Exception as error:
        raise ModeError(
            f"fx cannot trace {type(module).__name__}: {reason_of(error)}. Its control flow may not depend on values; "
            "use another mode."
        ) from error


def _defaults(module: nn.Module, inputs: Inputs) -> dict[str, object]:
    """The parameters of `forward` that these inputs leave at their defaults."""
    signature = inspect.signature(module.forward)
    given = signature.bind(*inputs.args, **inputs.kwargs).arguments
    return {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if name not in given and parameter.default is not parameter.empty
    }


def _build(module: nn.Module, inputs: Inputs) -> Forward:
    return _trace(module, inputs)


def _code(module: nn.Module, inputs: Inputs) -> str:
    return _trace(module, inputs).code.strip()


MODE = ExecutionMode(
    name="fx",
    summary="symbolic trace; regenerated Python calls the operators",
    needs="control flow that does not depend on values",
    missing=always_available,
    build=_build,
    code=_code,
)
