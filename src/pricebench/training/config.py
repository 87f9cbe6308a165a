"""Everything that decides how a training ends, apart from the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pricebench.devices import CPU, DEVICES
from pricebench.matmul import AUTO, CHOICES


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How to train; the defaults reach the figures of the README on both real data sets.

    Attributes:
        mode: Execution mode of forward and backward.
        device: "cpu" or "cuda".
        matmul: What multiplies, one of `pricebench.matmul.CHOICES`; "auto" is the fastest, by the CPU.
        seed: Of weights, validation split and batch order.
        batch_rows: Rows of a full batch; a smaller training set is one batch.
        drop_last: Leave the residual batch of each epoch out.
        epochs: Passes over the training rows; None takes as many as `steps` needs.
        steps: Optimiser steps at least, rounded up to whole epochs.
        learning_rate: Adam's peak rate, after the warm-up; a cosine leads to 0.
        prior: Strength of the weights' Gaussian prior: Adam's L2 weight decay is `prior / training rows`, and fades to
            0 over the last 30 % of the steps, which removes the shrinkage but not what it chose.
        average_decay: Of the exponential moving average of the weights, per step.
        test_size: Held-out share, never trained on.
        split_seed: Of the held-out split, as scikit-learn's `random_state`.
        validation_size: Share of the other rows that chooses the best weights.
        evaluate_every: Steps between validations, rounded up to whole epochs.
        patience: Validations without a better result before training stops.
    """

    mode: str = "eager"
    device: str = CPU
    matmul: str = AUTO
    seed: int = 0
    batch_rows: int = 2048
    drop_last: bool = True
    epochs: int | None = None
    steps: int = 2000
    learning_rate: float = 2e-3
    prior: float = 25.0
    average_decay: float = 0.99
    test_size: float = 0.2
    split_seed: int = 42
    validation_size: float = 0.1
    evaluate_every: int = 50
    patience: int = 30

    def __post_init__(self) -> None:
        for name, is_right, expected in (
            ("batch_rows", self.batch_rows >= 1, "at least 1"),
            ("device", self.device in DEVICES, f"one of {', '.join(DEVICES)}"),
            ("matmul", self.matmul in CHOICES, f"one of {', '.join(CHOICES)}"),
            ("epochs", self.epochs is None or self.epochs >= 1, "at least 1"),
            ("steps", self.steps >= 1, "at least 1"),
            ("learning_rate", 0.0 < self.learning_rate < math.inf, "above 0"),
            ("prior", 0.0 <= self.prior < math.inf, "at least 0"),
            ("average_decay", 0.0 <= self.average_decay < 1.0, "at least 0 and below 1"),
            ("test_size", 0.0 < self.test_size < 1.0, "a share above 0 and below 1"),
            ("validation_size", 0.0 < self.validation_size < 1.0, "a share above 0 and below 1"),
            ("split_seed", 0 <= self.split_seed < 2**32, "0 to 2**32 - 1"),
            ("seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1"),
            ("evaluate_every", self.evaluate_every >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
        ):
            if not is_right:
                raise ValueError(f"{name} is {getattr(self, name)}, expected {expected}.")

    @property
    def fewest_rows(self) -> int:
        """Rows of a data set that leave two to test on and two to validate on: one alone has no spread."""
        rows = math.floor(max(1.0 / self.test_size, 1.0 / self.validation_size / (1.0 - self.test_size)))
        # Both parts are rounded up, so that the least number is this one or one of the next few.
        while self._smaller_part(rows) < 2:
            rows += 1
        return rows

    def _smaller_part(self, rows: int) -> int:
        num_test = math.ceil(self.test_size * rows)
        return min(num_test, math.ceil(self.validation_size * (rows - num_test)))

    def prior_at(self, progress: float) -> float:
        """Strength of the prior when `progress` (0 to 1) of all steps is done."""
        return self.prior * min(1.0, (1.0 - progress) / 0.3) ** 2

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate when `progress` (0 to 1) of all steps is done: 5 % linear warm-up, then a cosine to 0."""
        warm_up = min(1.0, progress / 0.05)
        return self.learning_rate * warm_up * 0.5 * (1.0 + math.cos(math.pi * progress))
