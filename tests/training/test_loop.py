from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pricebench.model import MLP, MLPConfig
from pricebench.training import EpochFeed, TrainStep


def numbered_feed(num_rows, *, batch_rows=8, drop_last=False, seed=0):
    x_N1 = torch.arange(num_rows, dtype=torch.float32)[:, None]
    return EpochFeed(x_N1, 10 * x_N1, batch_rows=batch_rows, drop_last=drop_last, seed=seed)


@given(st.integers(1, 100), st.integers(1, 40), st.booleans(), st.integers(0, 1000))
def test_an_epoch_shows_each_row_at_most_once_with_its_target(num_rows, batch_rows, drop_last, seed):
    feed = numbered_feed(num_rows, batch_rows=batch_rows, drop_last=drop_last, seed=seed)

    batches = list(feed.epoch())

    rows = torch.cat([x_B1 for x_B1, _ in batches])[:, 0]
    assert len(rows.unique()) == len(rows) == feed.rows_per_epoch
    assert len(batches) == feed.steps_per_epoch
    assert all(torch.equal(z_B1, 10 * x_B1) for x_B1, z_B1 in batches)


@given(st.integers(1, 100), st.integers(1, 40))
def test_keeping_the_last_batch_shows_every_row(num_rows, batch_rows):
    assert numbered_feed(num_rows, batch_rows=batch_rows).rows_per_epoch == num_rows


@given(st.integers(1, 100), st.integers(1, 40))
def test_dropping_the_last_batch_leaves_full_ones_only(num_rows, batch_rows):
    feed = numbered_feed(num_rows, batch_rows=batch_rows, drop_last=True)

    sizes = {len(x_B1) for x_B1, _ in feed.epoch()}

    assert sizes == {min(num_rows, batch_rows)}


def test_two_epochs_have_different_orders():
    feed = numbered_feed(64, batch_rows=64)

    (first, _), (second, _) = next(feed.epoch()), next(feed.epoch())

    assert not torch.equal(first, second)


def test_skipping_gives_the_rest_of_the_same_epoch():
    whole = list(numbered_feed(20).epoch())

    rest = list(numbered_feed(20).epoch(skip=1))

    assert len(rest) == len(whole) - 1
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(rest, whole[1:], strict=True))


def test_a_step_is_that_of_torch_with_decayed_matrices():
    ours, theirs = MLP(MLPConfig(hidden=4)), MLP(MLPConfig(hidden=4))
    x_BF, z_B1 = torch.randn(16, 5), torch.randn(16, 1)
    decayed = [p for p in theirs.parameters() if p.ndim == 2]
    free = [p for p in theirs.parameters() if p.ndim == 1]
    optimizer = torch.optim.Adam([{"params": decayed, "weight_decay": 0.1}, {"params": free}], lr=0.01)

    step = TrainStep(ours, ours, learning_rate=0.01, weight_decay=0.1)
    for _ in range(3):
        loss = step(x_BF, z_B1)
        expected = ((theirs(x_BF) - z_B1) ** 2).mean()
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()

    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=0)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_rates_can_change_between_steps():
    model = MLP(MLPConfig(hidden=4))
    before = [parameter.clone() for parameter in model.parameters()]
    step = TrainStep(model, model)

    step.set_rates(learning_rate=0.0, weight_decay=0.5)
    step(torch.randn(4, 5), torch.randn(4, 1))

    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_mixed_precision_multiplies_rounded_factors_and_keeps_its_weights_in_float32():
    torch.manual_seed(0)
    layer, x_BF, z_B1 = nn.Linear(3, 1, bias=False), torch.randn(64, 3), torch.randn(64, 1)
    narrow_13 = layer.weight.detach().bfloat16()
    # By hand: both factors are rounded, sums of three are exact enough, and their result is rounded once more.
    y_B1 = (x_BF.bfloat16().double() @ narrow_13.double().T).bfloat16()
    expected = ((y_B1.double() - z_B1.double()) ** 2).mean()
    step = TrainStep(layer, layer, learning_rate=1e-2, matmul="bfloat16")

    loss = step(x_BF, z_B1)

    torch.testing.assert_close(loss.double(), expected, rtol=1e-3, atol=0)
    assert (loss.dtype, layer.weight.dtype, layer.weight.grad.dtype) == (torch.float32,) * 3
    exact = ((x_BF.double() @ layer.weight.detach().double().T - z_B1.double()) ** 2).mean()
    assert exact < ((x_BF.double() @ narrow_13.double().T - z_B1.double()) ** 2).mean()
