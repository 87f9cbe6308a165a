"""What a call needs at least, computed and not measured: floating point operations, and bytes over the bus."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pricebench.units import Byte, Flop


def count_flop(run: Callable[[], object]) -> Flop:
    """Floating point operations of the matrix products in `run`, two per multiply-add; computed, not measured."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def compulsory_bytes(module: nn.Module, *tensors: Tensor) -> Byte:
    """What must cross the memory bus at least once: every parameter, and the given inputs and outputs."""
    return sum(tensor.nelement() * tensor.element_size() for tensor in (*module.parameters(), *tensors))
