"""Training in steady state: one step per mode, and our loop against a plain `DataLoader` loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.cases import TOLERANCE, checked_error
from pricebench.agreement import default_tolerance, in_float64
from pricebench.limits.libraries import LIBRARIES
from pricebench.limits.measure import measured
from pricebench.limits.records import Precision, Product
from pricebench.matmul import chosen, forward_in, multiplied_by
from pricebench.model import MLP
from pricebench.modes import MODES, ExecutionMode
from pricebench.suite import train_step_case
from pricebench.training import EpochFeed, TrainStep
from pricebench.turns import in_turns
from pricebench.workload import FULL_ROWS, Workload, count_flop

EPOCH_BATCHES = 10


@pytest.mark.parametrize("shape", ["full", "residual"])
def test_train_step(
    benchmark: BenchmarkFixture, mode: ExecutionMode, shape: str, workload: Workload, device: torch.device
) -> None:
    """Forward, loss, backward, Adam on one batch. Loss and gradients are checked before."""
    train_step_case(workload, mode, shape, device).run(benchmark)


def gradients(module: nn.Module, loss: Tensor) -> Tensor:
    """All gradients of a loss as one vector."""
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, list(module.parameters()))])


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the intra-op threads for one test."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2], ids=["1", "2"], indirect=True)
@pytest.mark.parametrize("loop", ["pricebench", "dataloader", "torch_mm", "best_matmul"])
def test_training_rows(benchmark: BenchmarkFixture, loop: str, threads: int) -> None:
    """An eager epoch of ten full batches: our loop, the plain one that it must beat, and the matrix products alone.

    The products by `torch.mm` (`matmul` in runs up to November 2026), and each by the faster of the libraries of torch
    that are there.
    """
    num_rows = EPOCH_BATCHES * FULL_ROWS
    generator = torch.Generator().manual_seed(0)
    x_NF = torch.randn(num_rows, 5, generator=generator)
    z_N1 = torch.randn(num_rows, 1, generator=generator)
    module = MLP()
    matmul = chosen("auto") if loop == "pricebench" else "torch"  # as `pricebench train` does by default
    reference = in_float64(module)
    expected = gradients(reference, nn.functional.mse_loss(reference(x_NF[:9].double()), z_N1[:9].double()))
    with multiplied_by(matmul), forward_in(matmul):
        loss = nn.functional.mse_loss(module(x_NF[:9]), z_N1[:9])
    error = checked_error(gradients(module, loss), expected, tolerance=_tolerance(matmul, module, expected))
    epoch: Callable[[], object] = {
        "pricebench": _our_epoch,
        "dataloader": _plain_epoch,
        "torch_mm": _torch_mm_epoch,
        "best_matmul": _best_matmul_epoch,
    }[loop](module, x_NF, z_N1)
    benchmark.extra_info.update(
        workload="house_prices",
        mode=MODES[0].name,
        shape="full",
        rows=num_rows,
        device="cpu",
        dtype="bfloat16" if matmul == "bfloat16" else "float32",  # of the products
        threads=threads,
        flop=count_flop(epoch),
        max_abs_error=error,
        matmul=matmul,
        role={"dataloader": "rival", "pricebench": "ours"}.get(loop, "floor"),
    )

    benchmark.pedantic(epoch, rounds=9, warmup_rounds=1)


def _tolerance(matmul: str, module: MLP, expected: Tensor) -> float:
    if matmul != "bfloat16":
        return TOLERANCE
    return default_tolerance(module, dtype=torch.bfloat16) * float(expected.abs().max())


def _our_epoch(module: MLP, x_NF: Tensor, z_N1: Tensor) -> Callable[[], None]:
    matmul = chosen("auto")
    feed = EpochFeed(x_NF, z_N1, batch_rows=FULL_ROWS, drop_last=True, seed=0)
    step = TrainStep(module, module, learning_rate=1e-3, matmul=matmul)

    def epoch() -> None:
        with multiplied_by(matmul):
            for x_BF, z_B1 in feed.epoch():
                step(x_BF, z_B1)

    return epoch


def _plain_epoch(module: MLP, x_NF: Tensor, z_N1: Tensor) -> Callable[[], None]:
    loader = DataLoader(TensorDataset(x_NF, z_N1), batch_size=FULL_ROWS, shuffle=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)

    def epoch() -> None:
        for x_BF, z_B1 in loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(module(x_BF), z_B1).backward()
            optimizer.step()

    return epoch


def _torch_mm_epoch(module: MLP, x_NF: Tensor, z_N1: Tensor) -> Callable[[], None]:  # noqa: ARG001 - the same signature
    products = _products(module)

    def epoch() -> None:
        for _ in range(EPOCH_BATCHES):
            for product in products:
                product()

    return epoch


def _best_matmul_epoch(module: MLP, x_NF: Tensor, z_N1: Tensor) -> Callable[[], None]:  # noqa: ARG001
    """Each product by MKL, or by oneDNN, which "medium" chooses; they do not depend on one another, so in two groups.

    A limit in float32: where "medium" computes in less, as on a CPU with AMX, it is left out.
    """
    libraries = {each.name: each for each in LIBRARIES if each.name in ("torch.mm", "torch.mm, medium")}
    full = Product(rows=FULL_ROWS, inner=256, columns=256)
    precise = {
        rate.library
        for rate in measured(list(libraries.values()), full, torch.get_num_threads())
        if rate.arithmetic == Precision.FLOAT32
    }
    groups: dict[str, list[Callable[[], object]]] = {name: [] for name in libraries if name in precise}
    for product in _products(module):
        calls, settings = dict.fromkeys(groups, product), {name: libraries[name].setting for name in groups}
        times = in_turns(calls, slice_seconds=3e-3, slices=15, settings=settings)
        groups[min(groups, key=lambda name: min(times[name]))].append(product)

    def epoch() -> None:
        for _ in range(EPOCH_BATCHES):
            for name, products in groups.items():
                with libraries[name].setting():
                    for product in products:
                        product()

    return epoch


def _products(module: MLP) -> list[Callable[[], object]]:
    """Per layer the three products of a step: output, weight gradient, input gradient (none for the first layer)."""
    found: list[Callable[[], object]] = []
    for name, weight in module.named_parameters():
        if weight.ndim == 2:
            out_features, in_features = weight.shape
            x_BI, g_BO = torch.randn(FULL_ROWS, in_features), torch.randn(FULL_ROWS, out_features)
            w_OI = weight.detach().clone()
            found.append(partial(torch.mm, x_BI, w_OI.T, out=g_BO.clone()))
            found.append(partial(torch.mm, g_BO.T, x_BI, out=w_OI.clone()))
            if not name.startswith("hidden1"):
                found.append(partial(torch.mm, g_BO, w_OI, out=x_BI.clone()))
    return found
