"""Models that are no house prices, as somebody's file would hold them: `--workload tests/some_models.py:tagger`."""

from __future__ import annotations

import torch
from torch import nn

from pricebench.workload import Workload, from_example


class Tagger(nn.Module):
    """Arguments by keyword, one of them whole numbers; a mapping as its output; dropout."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(8, 4)

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.dropout((self.table(words) * mask.unsqueeze(-1)).mean(1))
        return {"logits": self.output(hidden), "hidden": hidden}


class Branching(nn.Module):
    """Asks for a value in a condition."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return self.linear(x)
        return -self.linear(x)


class Shifting(nn.Module):
    """Writes to its input, and refuses one that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.max() > 1.5):
            raise ValueError("an input that was used before")
        return self.linear(x.add_(1.0))


class Imprecise(nn.Module):
    """Right in float64, wrong in float32: what a miscompiled graph looks like from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.linear(x)
        return {"right": y, "wrong": y if x.dtype == torch.float64 else y * 1.01}


def tagger(dropout: float = 0.0) -> Workload:
    torch.manual_seed(0)
    example = {"words": torch.arange(128).reshape(16, 8) % 50, "mask": torch.ones(16, 8)}
    return from_example(
        "tagger",
        Tagger(dropout),
        example,
        dims={"batch": 0},
        loss=lambda output, target: nn.functional.cross_entropy(output["logits"], target),
        targets=torch.arange(16) % 4,
    )


def branching() -> tuple[nn.Module, torch.Tensor, dict[str, int]]:
    torch.manual_seed(0)
    return Branching(), torch.ones(16, 4), {"batch": 0}


def shifting() -> Workload:
    torch.manual_seed(0)
    return from_example("shifting", Shifting(), torch.ones(16, 4), dims={"batch": 0})


def imprecise() -> Workload:
    torch.manual_seed(0)
    return from_example("imprecise", Imprecise(), torch.ones(16, 4), dims={"batch": 0})
