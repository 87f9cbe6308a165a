"""Whole training epochs: where the residual batch makes `torch.compile` compile again.

The first epoch pays for compiling and is noted apart (`first_epoch_s`), the second pays for what the first left over
(`second_epoch_s`), and the timed ones are those that follow. That is the experiment this project began with.
"""

from __future__ import annotations

import copy
import time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from benchmarks.cases import checked_error
from pricebench.agreement import in_float64
from pricebench.data import Dataset
from pricebench.modes import ExecutionMode
from pricebench.suite import describe, skipping, synchronized
from pricebench.training import EpochFeed, TrainStep
from pricebench.workload import FULL_ROWS, Workload

TIMED_SECONDS = 1.0
FEWEST_ROUNDS, MOST_ROUNDS = 5, 50
LEARNING_RATE = 1e-5


@pytest.mark.parametrize("batches", ["drop_last", "keep_last"])
def test_epoch(
    benchmark: BenchmarkFixture,
    mode: ExecutionMode,
    batches: str,
    workload: Workload,
    training_rows: Dataset,
    device: torch.device,
) -> None:
    """One epoch over all training rows, shuffled; the error is of the first epoch's losses."""
    with skipping(mode, workload):
        mode.require_training()
    (x_NF,), z_N1 = workload.inputs(training_rows.num_rows).args, workload.targets(training_rows.num_rows)

    def make_feed(x_NF: Tensor, z_N1: Tensor) -> EpochFeed:
        return EpochFeed(x_NF, z_N1, batch_rows=FULL_ROWS, drop_last=batches == "drop_last", seed=0)

    def run_epoch(step: TrainStep, feed: EpochFeed) -> Tensor:
        return torch.stack([step(x_BF, z_B1) for x_BF, z_B1 in feed.epoch()])

    reference = in_float64(workload.module).eval()
    feed64 = make_feed(x_NF.double(), z_N1.double())
    expected = run_epoch(TrainStep(reference, reference, learning_rate=LEARNING_RATE), feed64)

    module = copy.deepcopy(workload.module)
    feed = make_feed(x_NF, z_N1)
    step = TrainStep(mode.prepare_training(module, x_NF[:FULL_ROWS]), module, learning_rate=LEARNING_RATE)
    epoch = synchronized(lambda: run_epoch(step, feed), device)
    graphs_before = _graphs(mode)
    first_losses, first_seconds = _timed(epoch)
    error = checked_error(first_losses, expected)
    _, second_seconds = _timed(epoch)
    _, third_seconds = _timed(epoch)
    eager = copy.deepcopy(workload.module)
    benchmark.extra_info.update(
        describe(workload, mode, "full", lambda: _flop_of_epoch(eager, make_feed(x_NF, z_N1))),
        shape=batches,
        rows=feed.rows_per_epoch,
        max_abs_error=error,
        first_epoch_s=first_seconds,
        second_epoch_s=second_seconds,
        graphs=_graphs(mode) - graphs_before,
    )

    rounds = max(FEWEST_ROUNDS, min(MOST_ROUNDS, int(TIMED_SECONDS / third_seconds)))
    losses = benchmark.pedantic(epoch, rounds=rounds)

    assert torch.isfinite(losses).all()


def _timed(epoch) -> tuple[Tensor, float]:
    started = time.perf_counter()
    losses = epoch()
    return losses, time.perf_counter() - started


def _flop_of_epoch(module: nn.Module, feed: EpochFeed) -> None:
    for x_BF, z_B1 in feed.epoch():
        nn.functional.mse_loss(module(x_BF), z_B1).backward()


def _graphs(mode: ExecutionMode) -> int:
    """Graphs that TorchDynamo has compiled in this process; dropping them does not set the counter back."""
    if mode.base != "compile":
        return 0
    from torch._dynamo.utils import counters  # noqa: PLC0415 - seconds to import, and only `compile` has them

    return int(counters["frames"]["ok"])
