"""Workloads that misbehave, for the processes that must survive them."""

from __future__ import annotations

import os
import signal

import torch
from torch import nn

from pricebench.workload import Workload

CRASHES, HANGS, RAISES = 7, 9, 11


class Troubled(nn.Module):
    """Does what its batch size says."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) == CRASHES:
            os.kill(os.getpid(), signal.SIGKILL)
        while len(x) == HANGS:
            pass
        if len(x) == RAISES:
            raise LookupError("no such house")
        return self.output(x)


def troubled(residual_rows: int) -> Workload:
    return Workload(
        name="troubled",
        module=Troubled().eval(),
        make_inputs=lambda sizes: torch.ones(sizes["batch"], 3),
        make_targets=lambda sizes: torch.ones(sizes["batch"], 1),
        loss=nn.functional.mse_loss,
        shapes={"full": 64, "residual": residual_rows, "single": 1},
    )


def broken(residual_rows: int) -> Workload:
    raise ValueError(f"no workload with {residual_rows} rows today")
