from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.modes import eager, torchscript
from pricebench.suite import inference, training_step
from pricebench.workload import from_example, house_prices


@pytest.fixture
def houses():
    return house_prices()


class Doubling(nn.Module):
    """Writes to its input: called twice on the same tensor it answers differently."""

    def forward(self, x):
        return x.mul_(2)


def test_a_forward_pass_is_ready_and_says_what_it_is(houses):
    case = inference(houses, torchscript.MODE, "residual")

    assert case.call().shape == (1207, 1)
    told = dict(case.facts)
    assert 0 < told.pop("max_abs_error") < 1e-6
    assert told == {
        "workload": "house_prices",
        "mode": "torchscript",
        "shape": "residual",
        "rows": 1207,
        "sizes": {"batch": 1207},
        "device": "cpu",
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        # Two for each weight and row, and biases are no product.
        "flop": 2 * 1207 * (5 * 256 + 256 * 256 + 256),
        # Every parameter and input once, four bytes each.
        "bytes": 4 * (5 * 256 + 256 + 256 * 256 + 256 + 256 + 1 + 1207 * 5),
    }


def test_a_wrong_answer_fails_before_it_is_timed(houses):
    wrong = replace(eager.MODE, build=lambda module, _: lambda x: module(x) + 0.5)

    with pytest.raises(pytest.fail.Exception, match=r"wrong answer: the output\[\d+, 0\] is .*, float64 gives"):
        inference(houses, wrong, "single")


def test_a_mode_that_cannot_take_the_module_skips_with_its_reason(houses):
    def refuse(*_):
        raise ModeError("this module branches on its data")

    with pytest.raises(pytest.skip.Exception, match="branches on its data"):
        inference(houses, replace(eager.MODE, build=refuse), "single")


def test_a_training_step_moves_a_copy_and_returns_its_loss(houses):
    before = copy.deepcopy(houses.module.state_dict())

    case = training_step(houses, eager.MODE, "single")
    losses = [float(case.call()) for _ in range(3)]

    assert losses[2] < losses[0]
    assert case.facts["max_abs_error"] < 1e-5
    assert "note" not in case.facts
    assert all(torch.equal(before[name], value) for name, value in houses.module.state_dict().items())


def test_a_wrong_gradient_fails_before_it_is_timed(houses):
    class Halved(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return x.clone()

        @staticmethod
        def backward(_, gradient):
            return gradient / 2

    wrong = replace(eager.MODE, build=lambda module, _: lambda x: Halved.apply(module(x)))

    with pytest.raises(pytest.fail.Exception, match="wrong answer"):
        training_step(houses, wrong, "single")


def test_dropout_is_off_for_the_check_and_that_is_noted():
    module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    workload = from_example(
        "dropout", module, torch.randn(4, 3), dims={"batch": 0}, loss=nn.functional.mse_loss, targets=torch.zeros(4, 1)
    )

    case = training_step(workload, eager.MODE, "full")

    assert "dropout is off" in case.facts["note"]
    assert len({float(case.call()) for _ in range(5)}) > 1


def test_a_module_that_writes_to_its_inputs_gets_fresh_ones():
    workload = from_example("doubling", Doubling(), torch.ones(2, 3), dims={"batch": 0})

    case = inference(workload, eager.MODE, "full")

    assert [float(case.call().max()) for _ in range(3)] == [2.0, 2.0, 2.0]
