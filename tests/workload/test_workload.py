from __future__ import annotations

import pytest
import torch
from torch import nn

from pricebench.errors import WorkloadError
from pricebench.model import MLP
from pricebench.workload import Workload, compulsory_bytes, count_flop, house_prices

SHAPES = {"full": {"sequence": 8, "batch": 4}, "single": {"batch": 1, "sequence": 8}}


def made(**changes):
    given = {
        "name": "mine",
        "module": nn.Linear(3, 1),
        "make_inputs": lambda sizes: torch.ones(sizes["batch"], 3),
        "shapes": SHAPES,
    }
    return Workload(**(given | changes))


def test_batches_of_houses_are_the_same_for_the_same_number_of_rows():
    workload = house_prices(residual_rows=9)

    assert {name: workload.rows(name) for name in workload.shapes} == {"full": 2048, "residual": 9, "single": 1}
    assert torch.equal(workload.inputs(9).args[0], workload.inputs("residual").args[0])
    assert workload.inputs(9).args[0].shape == (9, 5)
    assert workload.targets(9).shape == (9, 1)


def test_few_houses_are_repeated_to_fill_a_batch():
    x_NF = torch.arange(15.0).reshape(3, 5)

    workload = house_prices(x_NF=x_NF, z_N1=x_NF[:, :1])

    assert torch.equal(workload.inputs(7).args[0], x_NF[[0, 1, 2, 0, 1, 2, 0]])


def test_flop_of_a_forward_pass_are_counted_by_hand():
    model, x_NF = MLP(), torch.zeros(2048, 5)

    # Two per multiply-add of 5x256, 256x256 and 256x1, per row.
    assert count_flop(lambda: model(x_NF)) == 2048 * 2 * (5 * 256 + 256 * 256 + 256)


def test_compulsory_bytes_are_parameters_inputs_and_outputs():
    assert compulsory_bytes(MLP(), torch.zeros(10, 5), torch.zeros(10, 1)) == 4 * (67_585 + 50 + 10)


def test_a_number_is_full_with_that_batch_and_the_batch_need_not_be_first():
    workload = made()

    assert workload.sizes(7) == {"batch": 7, "sequence": 8}
    assert workload.rows("full") == 4
    assert workload.sizes({"batch": 2, "sequence": 3}) == {"batch": 2, "sequence": 3}


def test_a_shape_that_is_a_number_is_a_batch():
    assert made(shapes={"full": 64}).shapes == {"full": {"batch": 64}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "net"}, "mine: the module is a str, expected a torch.nn.Module."),
        ({"shapes": {}}, "mine: no shape is called 'full', found none. Name one."),
        ({"shapes": {"big": 3}}, "mine: no shape is called 'full', found big. Name one."),
        ({"shapes": {"full": 3, "one": {"rows": 1}}}, "mine: shape one sets rows, expected batch as full does."),
        ({"shapes": {"full": 0}}, "mine: shape full sets batch to 0, expected at least 1."),
        (
            {"loss": nn.functional.mse_loss},
            "mine: it has no targets. A training step needs both loss and targets.",
        ),
        ({"make_targets": torch.ones}, "mine: it has no loss. A training step needs both loss and targets."),
    ],
)
def test_what_is_no_workload_is_refused_in_one_sentence(changes, message):
    with pytest.raises(WorkloadError) as caught:
        made(**changes)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: made().inputs("ful"), "No shape is called 'ful'. Did you mean 'full'? Known: full, single."),
        (lambda: made().targets("full"), "mine has no loss, so it cannot be trained. Give loss and targets."),
        (
            lambda: made(shapes={"full": {}}).inputs(3),
            "mine: no dimension varies, so there is no batch of 3. Give dims.",
        ),
    ],
)
def test_what_a_workload_cannot_give_is_said(ask, message):
    with pytest.raises(WorkloadError) as caught:
        ask()

    assert str(caught.value) == message
