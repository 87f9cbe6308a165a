"""What a module is called with: positional and keyword arguments, each a pytree of tensors and constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree  # PyTorch has no public name for it before 2.16

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of one call.

    Attributes:
        args: Positional ones.
        kwargs: By keyword.

    >>> Inputs.of((1, 2)).call(divmod)
    (0, 1)
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, example: Example) -> Inputs:
        """A tensor is the only argument, a tuple or list holds positional ones, a mapping those by keyword."""
        if isinstance(example, Inputs):
            return example
        if isinstance(example, Mapping):
            return cls(kwargs=dict(example))
        if isinstance(example, tuple | list):
            return cls(args=tuple(example))
        return cls(args=(example,))

    def call(self, function: Callable[..., R]) -> R:
        """Call with these arguments."""
        return function(*self.args, **self.kwargs)

    def map(self, change: Callable[[Tensor], Tensor]) -> Inputs:
        """The same arguments with every tensor changed."""
        args, kwargs = pytree.tree_map_only(Tensor, change, (self.args, dict(self.kwargs)))
        return Inputs(args=args, kwargs=kwargs)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor with its place, such as `0` or `input_ids` or `1['mask']`."""
        for path, leaf in _leaves_with_place((self.args, dict(self.kwargs))):
            if isinstance(leaf, Tensor):
                yield path, leaf

    def clone(self) -> Inputs:
        """With tensors of its own: marks stay on a tensor, and a module may change its inputs."""
        return self.map(Tensor.clone)

    def to(self, device: torch.device | str) -> Inputs:
        """On a device."""
        return self.map(lambda tensor: tensor.to(device))

    def double(self) -> Inputs:
        """Floating point tensors in float64; indices and masks as they are."""
        return self.map(as_float64)


Example: TypeAlias = Inputs | Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]
"""Whatever `Inputs.of` takes."""


def as_float64(tensor: Tensor) -> Tensor:
    """A floating point tensor in float64, a complex one in complex128, any other as it is."""
    if tensor.is_floating_point():
        return tensor.double()
    return tensor.to(torch.complex128) if tensor.is_complex() else tensor


def leaves(tree: Any) -> list[tuple[str, Any]]:
    """Every leaf of a pytree with its place, such as `['logits']` or `[0]` or `.logits`; empty for a lone leaf."""
    found: list[tuple[str, Any]] = []
    for path, leaf in pytree.tree_leaves_with_path(tree):
        place = pytree.keystr(path)
        # PyTorch takes a dataclass for a leaf, unless somebody registers it.
        if is_dataclass(leaf) and not isinstance(leaf, type):
            for part in fields(leaf):
                found += [(f"{place}.{part.name}{rest}", value) for rest, value in leaves(getattr(leaf, part.name))]
        else:
            found.append((place, leaf))
    return found


def _leaves_with_place(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in pytree.tree_leaves_with_path(tree):
        # The first key tells positional from keyword arguments, the second is the argument.
        key = path[1]
        name = str(key.idx) if isinstance(key, pytree.SequenceKey) else str(key.key)  # type: ignore[attr-defined]
        yield name + pytree.keystr(path[2:]), leaf
