from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from pricebench.agreement import Difference
from pricebench.workload import Workload, from_example
from pricebench.workload.checks import (
    Expected,
    changes_inputs,
    expected_inference,
    expected_training,
    loss_and_gradients,
    quieted,
)


class DropsByFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return self.linear(functional.dropout(x, 0.5, self.training))


class AddsToItsInput(nn.Module):
    def forward(self, x):
        return x.add_(1.0)


class AddsToACopy(nn.Module):
    def forward(self, x):
        return x.clone().add_(1.0)


def trained(module):
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    return from_example("mine", module, x, dims={"batch": 0}, loss=functional.mse_loss, targets=torch.ones(8, 1))


def test_a_right_answer_has_no_reason_and_a_wrong_one_says_where():
    workload = trained(nn.Linear(3, 1))
    expected = expected_inference(workload, "full")
    right = workload.inputs("full").call(workload.module)
    wrong = right.detach().clone()
    wrong[5, 0] += 1.0

    assert expected.by == "float64"
    assert expected.wrong(right) == ""
    assert expected.wrong(wrong).startswith("the output[5, 0] is ")
    assert "eager is off by" in expected.wrong(wrong)


def test_gradients_of_a_line_by_hand():
    module = nn.Linear(1, 1)
    with torch.no_grad():
        module.weight.fill_(2.0)
        module.bias.fill_(1.0)
    workload = Workload(
        name="line",
        module=module,
        make_inputs=lambda sizes: torch.full((sizes["batch"], 1), 3.0),
        make_targets=lambda sizes: torch.full((sizes["batch"], 1), 5.0),
        loss=functional.mse_loss,
        shapes={"full": 4},
    )

    expected = expected_training(workload, module, "full")

    # 2 * 3 + 1 - 5 = 2: a loss of 4, 2 * 2 * 3 for the weight and 2 * 2 for the bias.
    assert [float(value) for value in expected.value] == [4.0, 12.0, 4.0]
    found = loss_and_gradients(workload, module, module, workload.inputs("full"), workload.targets("full"))
    assert expected.wrong(found) == ""
    assert expected.wrong([found[0], -found[1], found[2]]) != ""


@pytest.mark.parametrize(
    ("module", "training", "words"),
    [
        (nn.Sequential(nn.Linear(3, 1)), True, ""),
        (nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)), True, ""),
        (nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 1)), True, "dropout is off while training steps are checked"),
        (DropsByFunction(), False, "it is random in training: steps are checked in evaluation mode"),
    ],
    ids=["plain", "batch norm", "dropout", "functional dropout"],
)
def test_steps_are_made_comparable_and_what_that_took_is_said(module, training, words):
    workload = trained(module)
    state = {name: value.clone() for name, value in module.state_dict().items()}

    quiet, note = quieted(workload)

    assert quiet.training is training
    assert note.startswith(words)
    assert bool(note) is bool(words)
    assert not workload.module.training
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    expected = [expected_training(workload, quiet, "full").value for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*expected, strict=True))


def test_checking_training_leaves_buffers_alone():
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
    workload = trained(module)
    quiet, _ = quieted(workload)

    expected_training(workload, quiet, "full")

    assert quiet[0].num_batches_tracked == 0


@pytest.mark.parametrize(("module", "changes"), [(AddsToItsInput(), True), (AddsToACopy(), False)])
def test_a_module_that_writes_to_its_inputs_is_known(module, changes):
    workload = from_example("mine", module, torch.ones(4, 3), dims={"batch": 0})

    assert changes_inputs(workload, "full") is changes
    assert torch.equal(workload.inputs("full").args[0], torch.ones(4, 3))


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.complex64])
def test_inputs_of_any_type_can_be_looked_at(kind):
    workload = from_example("mine", nn.Identity(), torch.ones(4, 3).to(kind), dims={"batch": 0})

    assert not changes_inputs(workload, "full")
    assert expected_inference(workload, "full").wrong(workload.inputs("full").args[0]) == ""


def test_a_lone_output_that_cancels_may_be_as_far_off_as_eager_is():
    expected = Expected(
        value=torch.tensor([1.0], dtype=torch.float64), by="float64", eager=Difference(error=1e-3), tolerance=1e-4
    )

    assert expected.wrong(torch.tensor([1.009])) == ""
    assert "eager is off by 0.001" in expected.wrong(torch.tensor([1.011]))


def test_an_eager_that_is_far_off_excuses_nothing():
    expected = Expected(
        value=torch.tensor([1.0], dtype=torch.float64), by="float64", eager=Difference(error=0.01), tolerance=1e-5
    )

    assert "tolerated are 0.001" in expected.wrong(torch.tensor([1.01]))
