"""What every mode promises, on a module that has nothing to do with houses."""

from __future__ import annotations

import copy
import threading
import warnings

import pytest
import torch
from torch import nn

from pricebench.modes import MODES
from pricebench.modes.base import reason_of


class Gated(nn.Module):
    """A bit of everything: submodules, a parameter of its own, and buffers that only training changes."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.norm = nn.BatchNorm1d(3)
            self.value = nn.Linear(3, 4)
            self.gate = nn.Linear(3, 4)
            self.scale = nn.Parameter(torch.randn(4))
        self.norm.running_mean += 0.5
        self.norm.running_var *= 4.0

    def forward(self, x):
        x = self.norm(x)
        return torch.tanh(self.value(x)) * torch.sigmoid(self.gate(x)) * self.scale


@pytest.fixture(params=MODES, ids=lambda mode: mode.name)
def mode(request):
    if reason := request.param.missing():
        pytest.skip(reason)
    return request.param


def batch(rows):
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(rows))


def in_float64(module, x):
    """The reference: eager, every number a float64."""
    return copy.deepcopy(module).double()(x.double())


EXAMPLE = batch(4)
CLOSE = {"rtol": 0.0, "atol": 4 * 2.0**-24}  # a few roundings of values below 1


# ---- inference -----------------------------------------------------------------------------------------------------


def test_inference_equals_eager_in_float64(mode):
    module = Gated().eval()
    infer = mode.prepare_inference(module, EXAMPLE)

    # Some shapes twice and more: TorchScript optimises at the second call, torch.compile per shape.
    for rows in (4, 4, 4, 1, 64, 4):
        x = batch(rows)
        torch.testing.assert_close(infer(x).double(), in_float64(module, x), **CLOSE)


def test_a_module_in_training_is_prepared_as_in_evaluation_and_left_in_training(mode):
    module = Gated().train()
    state = copy.deepcopy(module.state_dict())
    expected = in_float64(Gated().eval(), EXAMPLE)

    infer = mode.prepare_inference(module, EXAMPLE)
    output = infer(EXAMPLE)

    torch.testing.assert_close(output.double(), expected, **CLOSE)
    assert all(submodule.training for submodule in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_weights_that_change_after_preparing_are_not_seen(mode):
    module = Gated().eval()
    expected = in_float64(module, EXAMPLE)
    infer = mode.prepare_inference(module, EXAMPLE)

    for _ in range(3):
        with torch.no_grad():
            module.scale += 1.0
            module.norm.running_mean += 1.0

        torch.testing.assert_close(infer(EXAMPLE).double(), expected, **CLOSE)


def test_outputs_carry_no_gradient(mode):
    infer = mode.prepare_inference(Gated(), EXAMPLE)

    output = infer(batch(4).requires_grad_())

    assert not output.requires_grad
    assert output.grad_fn is None


def test_a_thread_that_set_up_no_gradient_mode_gets_the_same_output_without_gradient(mode):
    infer = mode.prepare_inference(Gated(), EXAMPLE)
    expected = infer(EXAMPLE)
    found = []

    thread = threading.Thread(target=lambda: found.append(infer(EXAMPLE)))
    thread.start()
    thread.join()

    assert torch.equal(found[0], expected)
    assert not found[0].requires_grad


def test_preparing_runs_nothing(mode):
    impossible = torch.zeros(1, 99)

    mode.prepare_inference(Gated(), impossible)
    mode.prepare_training(Gated(), impossible)


# ---- training ------------------------------------------------------------------------------------------------------


def test_gradients_equal_eager_in_float64(mode):
    module, x = Gated(), batch(32)
    reference = copy.deepcopy(module).double()
    train = mode.prepare_training(module, EXAMPLE)

    for _ in range(3):
        for forward, owner, inputs in ((train, module, x), (reference, reference, x.double())):
            owner.zero_grad()
            forward(inputs).square().mean().backward()

        for (name, parameter), exact in zip(module.named_parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(parameter.grad.double(), exact.grad, rtol=1e-5, atol=1e-7, msg=name)


def test_training_changes_the_buffers_of_the_module_itself(mode):
    module = Gated().eval()
    reference = Gated().double()
    train = mode.prepare_training(module, EXAMPLE)

    train(batch(32))
    reference(batch(32).double())

    assert module.training
    assert module.norm.num_batches_tracked == 1
    torch.testing.assert_close(module.norm.running_mean.double(), reference.norm.running_mean, rtol=1e-5, atol=1e-6)


def test_a_step_of_the_optimiser_is_seen_by_the_prepared_callable(mode):
    module, x = Gated(), batch(32)
    train = mode.prepare_training(module, EXAMPLE)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    before = train(x).detach().clone()

    train(x).square().sum().backward()
    optimizer.step()
    after = train(x)

    assert not torch.allclose(after, before, atol=0.01)
    torch.testing.assert_close(after.double(), in_float64(module, x), rtol=1e-5, atol=1e-6)


# ---- what the user is not bothered with ----------------------------------------------------------------------------


def test_no_mode_lets_a_warning_of_torch_reach_the_user(mode):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        mode.prepare_inference(Gated(), EXAMPLE)(EXAMPLE)
        mode.prepare_training(Gated(), EXAMPLE)(EXAMPLE).sum().backward()
        if mode.code:
            mode.show(Gated(), EXAMPLE)

    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [("", "ValueError"), ("\n \n  first:\nsecond", "first"), ("one sentence.", "one sentence"), ("...", "ValueError")],
)
def test_the_reason_is_the_first_line_that_says_something(message, reason):
    assert reason_of(ValueError(message)) == reason
