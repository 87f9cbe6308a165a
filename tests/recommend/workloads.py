"""Models of a few lines, as a user writes them, for the processes that measure."""

from __future__ import annotations

import torch
from torch import nn

from pricebench.workload import Workload, from_example


class Tiny(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(8, 16)
        self.output = nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.relu(self.hidden(x)))


class Branching(Tiny):
    """Its control flow depends on values, which a trace cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.hidden(x))
        return self.output(x) if x.sum().item() > 0 else self.output(-x)


def build() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return Tiny(), torch.randn(4, 8)


def branching() -> Workload:
    torch.manual_seed(0)
    return from_example("branching", Branching(), torch.randn(4, 8), dims={"batch": 0})


def raising() -> None:
    raise LookupError("no such weights")
