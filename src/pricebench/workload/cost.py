"""What a call needs, computed and not measured: floating point operations, operators, and bytes over the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from pricebench.units import Byte, Flop


def count_flop(run: Callable[[], object]) -> Flop:
    """Floating point operations of the matrix products in `run`, two per multiply-add; computed, not measured."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operators that reach a kernel."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.number: int = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count, and run."""
        self.number += 1
        return func(*args, **(kwargs or {}))


def count_operators(run: Callable[[], object]) -> int:
    """Operators that eager calls in `run`, each of which costs a dispatch."""
    counter = _Counter()
    with counter:
        run()
    return counter.number


def compulsory_bytes(module: nn.Module, *tensors: Tensor) -> Byte:
    """What must cross the memory bus at least once: every parameter, and the given inputs and outputs."""
    return sum(tensor.nelement() * tensor.element_size() for tensor in (*module.parameters(), *tensors))
