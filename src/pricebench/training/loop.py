"""The inner loop: whole batches by index, one step at a time.

Shapes: N rows of the training set, B rows of a batch, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pricebench.inputs import Inputs
from pricebench.matmul import TORCH, forward_in
from pricebench.modes import Forward
from pricebench.training.ranks import ALONE, Ranks


class TrainStep:
    """Forward, loss (mean squared error by default), backward, Adam.

    Attributes:
        optimizer: Fused Adam: one kernel for all parameters. Weight decay is Adam's own L2 term, on matrices only: a
            decayed bias pulls every price towards the mean.
    """

    def __init__(
        self,
        forward: Forward,
        module: nn.Module,
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        loss: Callable[[Any, Any], Tensor] = nn.functional.mse_loss,
        matmul: str = TORCH,
    ) -> None:
        self._forward = forward
        self._matmul = matmul
        self._loss = loss
        self._device = next(module.parameters()).device.type
        matrices = [parameter for parameter in module.parameters() if parameter.ndim > 1]
        biases = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.Adam(groups, lr=learning_rate, fused=True)

    def set_rates(self, *, learning_rate: float, weight_decay: float) -> None:
        """Set the rates of the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.param_groups[0]["weight_decay"] = weight_decay

    def __call__(self, x_BF: Tensor, z_B1: Tensor, *, weight: float = 1.0) -> Tensor:
        """Take one step on a batch; returns its loss before the step, a scalar tensor.

        Args:
            x_BF: Inputs.
            z_B1: Targets.
            weight: Of the loss: `Ranks.weight_of`, where the batch is a share of one.
        """
        with forward_in(self._matmul, self._device):
            loss = self._loss(self._forward(x_BF), z_B1)
        return self._descend(loss if weight == 1.0 else loss * weight)

    def rehearse(self, x_BF: Tensor, z_B1: Tensor) -> None:
        """Run forward and backward once; no weight changes."""
        with forward_in(self._matmul, self._device):
            loss = self._loss(self._forward(x_BF), z_B1)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad(set_to_none=True)

    def on(self, inputs: Inputs, targets: Any) -> Tensor:
        """The same on any arguments of the module and any targets of the loss."""
        with forward_in(self._matmul, self._device):
            loss = self._loss(inputs.call(self._forward), targets)
        return self._descend(loss)

    def _descend(self, loss: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()


class EpochFeed:
    """Batches of a shuffled training set, gathered with one indexing operation each.

    A `DataLoader` over a `TensorDataset` indexes and stacks row by row; for this model that costs more than the step.

    Attributes:
        generator: Source of the shuffles; its state at the start of an epoch fixes the epoch.
        batch_rows: Rows of a full batch, at most those of the set; of all ranks together.
        rows_per_epoch: Of all ranks together.
    """

    def __init__(
        self, x_NF: Tensor, z_N1: Tensor, *, batch_rows: int, drop_last: bool, seed: int, ranks: Ranks = ALONE
    ) -> None:
        self._x_NF = x_NF
        self._z_N1 = z_N1
        self._ranks = ranks
        self.generator = torch.Generator().manual_seed(seed)
        self.batch_rows = min(batch_rows, len(x_NF))
        num_rows = len(x_NF)
        if drop_last:
            num_rows -= num_rows % self.batch_rows
        self.rows_per_epoch = num_rows

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the residual one too where it is kept."""
        return -(-self.rows_per_epoch // self.batch_rows)

    def rows_of(self, step: int) -> int:
        """Rows of an epoch's batch, the first being 0, of all ranks together."""
        return min(self.batch_rows, self.rows_per_epoch - step * self.batch_rows)

    def epoch(self, *, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffle and yield this rank's share of `(x_BF, z_B1)`; `skip` leaves the first batches of this epoch out."""
        order = torch.randperm(len(self._x_NF), generator=self.generator).to(self._x_NF.device)
        for step in range(skip, self.steps_per_epoch):
            start, num_rows = step * self.batch_rows, self.rows_of(step)
            rows = order[start : start + num_rows][self._ranks.share_of(num_rows)]
            yield self._x_NF.index_select(0, rows), self._z_N1.index_select(0, rows)
