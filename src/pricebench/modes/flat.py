"""A module as a function of tensors that gives tensors: exporters know no pytree, or forget what in it is no tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils import _pytree as pytree  # PyTorch has no public name for it before 2.16

from pricebench.errors import ModeError
from pricebench.inputs import Inputs


@dataclass(slots=True)
class _Answer:
    """The pytree of an output: its leaves, with `Tensor` where one is, and their places. No pytree itself."""

    leaves: list[Any] = field(default_factory=list)
    places: pytree.TreeSpec | None = None


class Flat(nn.Module):
    """The module as a function of tensors that gives tensors; what else is among inputs and outputs is a constant."""

    def __init__(self, module: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.module = module
        self._leaves, self._places = flattened(inputs.args, inputs.kwargs)
        # Written to, never assigned: torch.export undoes assignments.
        self._answer = _Answer()

    def tensors(self) -> tuple[Tensor, ...]:
        """The arguments of this module's own call, for the inputs that it was made of."""
        return tuple(leaf for leaf in self._leaves if isinstance(leaf, Tensor))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors in the order of the leaves, to the output's."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self._places)
        answers, self._answer.places = pytree.tree_flatten(self.module(*args, **kwargs))
        self._answer.leaves = [Tensor if isinstance(leaf, Tensor) else leaf for leaf in answers]
        return tuple(leaf for leaf in answers if isinstance(leaf, Tensor))

    @property
    def maps_tensor_to_tensor(self) -> bool:
        """Whether one positional tensor gives one tensor: such calls need no pytrees. Known after a call."""
        lone = pytree.tree_flatten(((0,), {}))[1]
        places = self._answer.places
        return self._places == lone and len(self.tensors()) == 1 and places is not None and places.is_leaf()

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """The tensors of a call.

        Raises:
            ModeError: It differs from the example in more than sizes and values of tensors.
        """
        leaves, places = flattened(args, kwargs)
        if places != self._places:
            raise ModeError("the model was prepared for arguments of another structure. Prepare it for these too.")
        for leaf, prepared in zip(leaves, self._leaves, strict=True):
            if not isinstance(prepared, Tensor) and leaf != prepared:
                raise ModeError(f"the model was prepared for {prepared!r}, found {leaf!r}. Prepare it for this too.")
        return [leaf for leaf, prepared in zip(leaves, self._leaves, strict=True) if isinstance(prepared, Tensor)]

    def answer(self, tensors: Iterable[Tensor]) -> Any:
        """The output that is made of these tensors. Known after a call."""
        found = iter(tensors)
        assert self._answer.places is not None, "export ran the module"
        leaves = [next(found) if leaf is Tensor else leaf for leaf in self._answer.leaves]
        return pytree.tree_unflatten(leaves, self._answer.places)


def flattened(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[list[Any], pytree.TreeSpec]:
    """Leaves and their places; keywords in the order of their names, for whoever calls may give them in any."""
    return pytree.tree_flatten((args, dict(sorted(kwargs.items()))))
