"""torch.fx: the module is traced to a graph of operators, and Python code regenerated from it is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch.fx
from torch import Tensor, nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs, leaves
from pricebench.modes.base import ExecutionMode, Forward, always_available, reason_of


class _Tracer(torch.fx.Tracer):
    """Traces one way of calling: what a call leaves out, and what it gives as a constant, is known and no value.

    `concrete_args` of torch.fx would do for simple signatures. It fails on `**kwargs` and warns of constants that are
    no numbers.
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self._inputs = inputs

    def create_args_for_root(
        self,
        root_fn: Callable[..., Any],
        is_module: bool,  # noqa: ARG002, FBT001 - the signature is torch's
        concrete_args: object = None,  # noqa: ARG002
    ) -> tuple[Callable[..., Any], list[Any]]:
        bound = inspect.signature(root_fn).bind(self.root, *self._inputs.args, **self._inputs.kwargs)
        names = [name for name in bound.arguments if name not in bound.kwargs]
        # `*args` is one name for several values; the first name is `self`.
        named = [names[number] if number < len(names) else f"{names[-1]}_{number}" for number in range(len(bound.args))]
        values = [self._value(name, value) for name, value in zip(named[1:], bound.args[1:], strict=True)]
        keyword = {name: self._value(name, value) for name, value in bound.kwargs.items()}
        return lambda root, *_: root_fn(root, *values, **keyword), [self.root, *values, *keyword.values()]

    def _value(self, name: str, given: object) -> Any:
        # A parameter of the traced function even where its value is known: the call still names it.
        proxy = self.create_proxy("placeholder", name, (), {})
        is_traced = any(isinstance(leaf, Tensor) for _, leaf in leaves(given))
        return proxy if is_traced else given


def trace(module: nn.Module, inputs: Inputs) -> torch.fx.GraphModule:
    """The graph of a call with such inputs.

    Raises:
        ModeError: torch.fx cannot trace the module.
    """
    tracer = _Tracer(inputs)
    try:
        graph = tracer.trace(module)
        return torch.fx.GraphModule(module, graph, type(module).__name__)
    # The module's own code runs on symbolic values, and may raise anything where it needs a number: in a condition, as
    # an index, in a call of NumPy.
    except Exception as error:
        raise ModeError(
            f"fx cannot trace {type(module).__name__}: {reason_of(error)}. Its control flow may not depend on values; "
            "use another mode."
        ) from error


def _build(module: nn.Module, inputs: Inputs) -> Forward:
    return trace(module, inputs)


def _code(module: nn.Module, inputs: Inputs) -> str:
    return trace(module, inputs).code.strip()


MODE = ExecutionMode(
    name="fx",
    summary="symbolic trace; regenerated Python calls the operators",
    needs="control flow that does not depend on values",
    missing=always_available,
    build=_build,
    code=_code,
)
