"""What is measured: a module, batches for it, and its loss. `house_prices` is the one that this project is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pricebench.model import MLP
from pricebench.units import Byte, Flop

FULL_ROWS = 2048
SINGLE_ROWS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A module with everything needed to run and to check it.

    Attributes:
        name: A database key.
        module: In evaluation mode; copied by whoever changes it.
        inputs: `rows` -> a batch, the same one for the same number.
        targets: `rows` -> what the batch should give.
        loss: `(output, target)` -> scalar.
        shapes: Rows by shape name, such as full, residual, single.
    """

    name: str
    module: nn.Module
    inputs: Callable[[int], Tensor]
    targets: Callable[[int], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    shapes: Mapping[str, int]


def house_prices(
    model: MLP | None = None, *, x_NF: Tensor | None = None, z_N1: Tensor | None = None, residual_rows: int = 1207
) -> Workload:
    """The house price MLP on z-scored batches.

    Args:
        model: Trained weights; without them the seeded initial ones.
        x_NF: Rows that batches are taken from, in order and again from the start; without them seeded noise.
        z_N1: Their targets.
        residual_rows: What the last batch of the training set holds.
    """
    model = model or MLP()
    if x_NF is None or z_N1 is None:
        generator = torch.Generator().manual_seed(0)
        x_NF = torch.randn(FULL_ROWS, model.config.num_features, generator=generator)
        z_N1 = torch.randn(FULL_ROWS, 1, generator=generator)
    return Workload(
        name="house_prices",
        module=model.eval(),
        inputs=_cycling(x_NF),
        targets=_cycling(z_N1),
        loss=nn.functional.mse_loss,
        shapes={"full": FULL_ROWS, "residual": residual_rows, "single": SINGLE_ROWS},
    )


def _cycling(values: Tensor) -> Callable[[int], Tensor]:
    return lambda rows: values[torch.arange(rows) % len(values)].contiguous()


def count_flop(run: Callable[[], object]) -> Flop:
    """Floating point operations of the matrix products in `run`, two per multiply-add; computed, not measured."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def compulsory_bytes(module: nn.Module, *tensors: Tensor) -> Byte:
    """What must cross the memory bus at least once: every parameter, and the given inputs and outputs."""
    return sum(tensor.nelement() * tensor.element_size() for tensor in (*module.parameters(), *tensors))
