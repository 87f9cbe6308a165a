"""The workload that this project is about: the house price MLP on z-scored batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pricebench.model import MLP
from pricebench.workload.workload import BATCH, Sizes, Workload

FULL_ROWS = 2048
SINGLE_ROWS = 1


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
        make_inputs=_cycling(x_NF),
        make_targets=_cycling(z_N1),
        loss=nn.functional.mse_loss,
        shapes={"full": {BATCH: FULL_ROWS}, "residual": {BATCH: residual_rows}, "single": {BATCH: SINGLE_ROWS}},
        dims={"0": {0: BATCH}},
    )


def _cycling(values: Tensor) -> Callable[[Sizes], Tensor]:
    return lambda sizes: values[torch.arange(sizes[BATCH]) % len(values)].contiguous()
