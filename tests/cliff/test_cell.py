from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pricebench.cliff.arms import arm_named
from pricebench.cliff.cell import RunningCell, batch_axes, padded
from pricebench.cliff.launcher import Setting
from pricebench.cliff.recorder import uncompiled
from pricebench.cliff.runner import Plan, _fitted, rows_of
from pricebench.cliff.schedule import Check, CliffError, Kind, Step
from pricebench.inputs import Inputs
from pricebench.modes.compile import forget
from pricebench.workload import Workload, from_example
from tests.some_models import shifting, tagger

CPU = torch.device("cpu")
FULL, RESIDUAL = Step(name="full", rows=16, steady=True), Step(name="residual", rows=9, steady=True)


@pytest.fixture(autouse=True)
def _nothing_compiled():
    forget()
    yield
    forget()


def start(arm, workload, kind=Kind.INFERENCE, check=Check.YES):
    return RunningCell(arm_named(arm), workload, kind, device=CPU, backend=uncompiled, check=check)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("arm", ["eager", "pad", "buckets", "mark_dynamic", "mark_unbacked", "dynamic_shapes"])
def test_an_arm_takes_several_arguments_by_keyword_and_gives_right_answers(arm, kind):
    missing = arm_named(arm).missing("cpu")
    if missing:
        pytest.skip(missing)
    cell = start(arm, tagger(), kind)

    calls = [cell.call(step) for step in (FULL, RESIDUAL)]

    assert [call.failure for call in calls] == ["", ""]
    assert max(call.max_abs_error for call in calls) < 1e-5
    assert calls[1].rows_run == (16 if arm in ("pad", "buckets") else 9)


@pytest.mark.parametrize("arm", ["mark_dynamic", "mark_unbacked", "dynamic_shapes"])
def test_a_mark_on_every_batch_axis_leaves_one_graph(arm):
    missing = arm_named(arm).missing("cpu")
    if missing:
        pytest.skip(missing)
    cell = start(arm, tagger())

    assert [cell.call(step).served for step in (FULL, RESIDUAL, FULL)] == ["g0", "g0", "g0"]


def test_padding_is_along_the_axis_that_is_the_batch():
    inputs = Inputs.of((torch.ones(3, 2), {"mask": torch.ones(2, 5)}))

    found = padded(inputs, {"0": (1,), "1['mask']": (0,)}, 4)

    assert [tuple(tensor.shape) for _, tensor in found.tensors()] == [(3, 6), (6, 5)]
    assert found.args[0][:, 2:].abs().sum() == 0


def test_without_dims_the_batch_is_the_first_axis_of_what_is_as_long_as_it():
    workload = Workload(
        name="plain",
        module=nn.Bilinear(3, 3, 1),
        make_inputs=lambda sizes: (torch.ones(sizes["batch"], 3), torch.ones(5, 3)),
        shapes={"full": 7},
    )

    assert batch_axes(workload, workload.inputs("full")) == {"0": (0,)}


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, pair):
        return self.linear(pair[0] + pair[1])


def test_sizes_of_an_input_inside_of_an_argument_cannot_be_specified_and_the_cell_says_so():
    pair = [torch.ones(16, 3), torch.ones(16, 3)]
    workload = from_example("nested", Nested(), (pair,), dims={"batch": 0})
    missing = arm_named("dynamic_shapes").missing("cpu")
    if missing:
        pytest.skip(missing)

    with pytest.raises(CliffError, match=r"not available: dynamic_shapes .* input 0\[0\] is inside of one"):
        start("dynamic_shapes", workload)


def test_dropout_is_checked_in_a_quiet_cell_and_timed_in_another():
    workload = tagger(dropout=0.5)

    blind = start("eager", workload, Kind.TRAINING, Check.YES).call(FULL)
    timed = start("compile", workload, Kind.TRAINING, Check.NO).call(FULL)
    quiet = start("compile", workload, Kind.TRAINING, Check.QUIET).call(FULL)

    assert blind.failure.startswith("wrong answer")
    assert (timed.failure, timed.max_abs_error) == ("", None)
    assert (quiet.failure, quiet.max_abs_error < 1e-5) == ("", True)


def test_a_run_knows_which_kinds_and_checks_a_workload_allows():
    plan = Plan(setting=Setting(threads=1))

    with_dropout = _fitted(plan, tagger(dropout=0.5))
    without_loss = _fitted(plan, shifting())

    assert with_dropout[0].kinds == (Kind.INFERENCE, Kind.TRAINING)
    assert with_dropout[2] == {Kind.INFERENCE: Check.YES, Kind.TRAINING: Check.NO}
    assert "dropout is off while training steps are checked" in with_dropout[1][-1]
    assert without_loss[0].kinds == (Kind.INFERENCE,)
    assert without_loss[1][-1] == "shifting has no loss, so training is left out"
    with pytest.raises(CliffError, match="nothing else was asked for"):
        _fitted(replace(plan, kinds=(Kind.TRAINING,)), shifting())


def test_a_module_that_changes_its_inputs_gets_fresh_ones_in_every_call_of_a_block():
    cell = start("eager", shifting())

    call, block = cell.call(FULL), cell.block(FULL, 2)

    assert call.failure == ""
    assert len(block.arm) == 2


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        return self.linear(self.norm(x))


@pytest.mark.parametrize("arm", ["eager", "fx", "torchscript", "compile"])
def test_buffers_of_batch_norm_do_not_disturb_the_answers(arm):
    torch.manual_seed(0)
    workload = from_example(
        "normalised",
        Normalised(),
        torch.randn(16, 4),
        dims={"batch": 0},
        loss=nn.functional.mse_loss,
        targets=torch.zeros(16, 1),
    )
    cell = start(arm, workload, Kind.TRAINING)

    assert [cell.call(step).failure for step in (FULL, RESIDUAL, FULL)] == ["", "", ""]


def test_a_workload_of_which_nothing_varies_has_no_residual_batch():
    fixed = Workload(name="fixed", module=nn.Linear(3, 1), make_inputs=lambda _: torch.ones(2, 3), shapes={"full": {}})

    with pytest.raises(CliffError, match="no dimension varies"):
        rows_of(fixed)
    with pytest.raises(CliffError, match="no shape is called 'residual', found full"):
        rows_of(replace(fixed, shapes={"full": 8}))
