"""Which graph serves which batch: the table of the reference, made anew, with the compiler left out."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._dynamo.utils import counters

from pricebench.cliff.arms import arm_named
from pricebench.cliff.cell import RunningCell
from pricebench.cliff.recorder import uncompiled
from pricebench.cliff.schedule import Kind, Step
from pricebench.modes.compile import forget
from pricebench.workload import Workload

CPU = torch.device("cpu")
# The sequence for which the counts were first seen, with torch 2.15.0.
SEQUENCE = (2048, 1207, 2048, 1000, 1, 1, 2, 2048)
SEEN = {
    "compile": "g0* g1* g1 g1 g2* g2 g1 g1",
    "compile_static": "g0* g1* g0 g2* g3* g3 g4* g0",
    "compile_dynamic": "g0* g0 g0 g0 g1* g1 g0 g0",
    "mark_dynamic": "g0* g0 g0 g0 g1* g1 g0 g0",
    "mark_unbacked": "g0* g0 g0 g0 g0 g0 g0 g0",
    "pad": "g0* g0 g0 g0 g0 g0 g0 g0",
    "buckets": "g0* g0 g0 g1* g2* g2 g3* g0",
}
# What torch 2.11 does not have.
SEEN_SINCE_2_15 = {
    "exclusion_guard": "g0* g1* g0 g1 g2* g2 g1 g0",
    "dynamic_shapes": "g0* g0 g0 g0 g0 g0 g0 g0",
}
TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])
needs_2_15 = pytest.mark.skipif(TORCH < (2, 15), reason=f"torch {torch.__version__} lacks it; seen with 2.15.0")


class Small(nn.Module):
    """Two layers: quicker to capture than the house price model, and with the same guards."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.output = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.relu(self.hidden(x)))


def small():
    torch.manual_seed(0)
    return Workload(
        name="small",
        module=Small().eval(),
        make_inputs=lambda sizes: _rising(sizes["batch"]),
        make_targets=lambda sizes: torch.ones(sizes["batch"], 1),
        loss=nn.functional.mse_loss,
        shapes={"full": 2048, "residual": 1207, "single": 1},
    )


def _rising(rows):
    return torch.arange(rows * 3, dtype=torch.float32).reshape(rows, 3) / (rows * 3)


CONFIG = ("automatic_dynamic_exclusion_guard", "recompile_limit")


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was():
    config = import_module("torch._dynamo.config")
    before = {name: getattr(config, name) for name in CONFIG if hasattr(config, name)}
    freezing = import_module("torch._inductor.config").freezing
    forget()
    yield
    torch.compiler.set_stance("default")
    for name, value in before.items():
        setattr(config, name, value)
    import_module("torch._inductor.config").freezing = freezing
    forget()


def start(arm, kind=Kind.INFERENCE):
    return RunningCell(arm, small(), kind, device=CPU, backend=uncompiled)


def words(cell, sequence):
    """The graph of each call, starred where it was captured for it."""
    calls = [cell.call(Step(name=f"call {number}", rows=rows)) for number, rows in enumerate(sequence)]
    return " ".join(f"{call.served}{'*' * call.captured}" for call in calls)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(("arm", "expected"), SEEN.items())
def test_graphs_along_the_sequence_are_those_seen(arm, expected, kind):
    assert words(start(arm_named(arm), kind), SEQUENCE) == expected


@needs_2_15
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(("arm", "expected"), SEEN_SINCE_2_15.items())
def test_graphs_of_newer_arms_are_those_seen(arm, expected, kind):
    assert words(start(arm_named(arm), kind), SEQUENCE) == expected


def test_stance_eager_then_compile_takes_two_sizes_for_a_dynamic_one():
    # Once: torch remembers for the life of a process that the first call was made.
    assert words(start(arm_named("eager_then_compile")), SEQUENCE) == "eager g0* g0 g0 g1* g1 g0 g0"


def test_full_batches_keep_a_graph_of_their_own_with_specialize_on():
    cell = start(arm_named("specialize_on"))

    # One capture makes two graphs, the special one at the first run.
    assert words(cell, (2048, 1207, 2048, 1000, 2)) == "g1* g0 g1 g0 g0"
    assert cell.num_graphs == 2


@pytest.mark.skipif(TORCH != (2, 15), reason=f"a bug of torch 2.15.0; this is {torch.__version__}")
def test_specialize_on_fails_at_one_row_and_goes_on():
    cell = start(arm_named("specialize_on"))
    cell.call(Step(name="full", rows=2048))

    single, pair = cell.call(Step(name="single", rows=1)), cell.call(Step(name="pair", rows=2))

    assert single.failure.startswith("InternalTorchDynamoError")
    assert single.seconds is None
    assert pair.served == "g0"


def test_stance_eager_on_recompile_sends_other_sizes_to_eager():
    cell = start(arm_named("eager_on_recompile"))
    cell.call(Step(name="first call", rows=2048))
    cell.call(Step(name="block A", rows=2048))

    assert words(cell, (1207, 2048, 1, 2048)) == "eager g0 eager g0"


def test_drop_last_runs_no_residual():
    cell = start(arm_named("drop_last"), Kind.TRAINING)

    full, residual = cell.call(Step(name="full", rows=2048)), cell.call(Step(name="residual", rows=1207))

    assert (full.rows_run, full.failure) == (2048, "")
    assert (residual.rows_run, residual.failure) == (0, "dropped")
    assert cell.block(Step(name="residual", rows=1207), 2) is None


def test_hitting_the_recompile_limit_runs_eager_without_an_error():
    limited = replace(arm_named("compile_static"), config={"torch._dynamo.config.recompile_limit": 2})
    cell = start(limited)

    calls = [cell.call(Step(name=str(rows), rows=rows)) for rows in (2048, 1207, 1000, 500)]
    again = cell.call(Step(name="again", rows=2048))

    assert [call.served for call in (*calls, again)] == ["g0", "g1", "eager", "eager", "g0"]
    assert [call.failure for call in calls] == [""] * 4
    assert cell.num_graphs == 2


def test_reasons_are_those_of_torch():
    cell = start(arm_named("compile"))
    cell.call(Step(name="full", rows=2048))

    (compilation,) = cell.call(Step(name="residual", rows=1207)).compilations

    assert compilation.graph == "0/1"
    assert "size mismatch at index 0. expected 2048, actual 1207" in compilation.reason


@pytest.mark.parametrize("arm", ["eager", "torchscript", "fx"])
@pytest.mark.parametrize("kind", list(Kind))
def test_arms_without_a_compiler_have_no_graphs(arm, kind):
    cell = start(arm_named(arm), kind)

    call = cell.call(Step(name="full", rows=2048))

    assert (call.served, call.compilations, call.captured, cell.num_graphs) == (None, (), 0, None)
    assert call.failure == ""


@settings(max_examples=12)
@given(
    arm=st.sampled_from(["compile", "compile_static", "compile_dynamic", "mark_unbacked", "buckets"]),
    sequence=st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_the_count_is_torchs_own_for_any_sequence(arm, sequence):
    forget()
    cell = start(arm_named(arm))
    frames, graphs = counters["frames"]["ok"], counters["stats"]["unique_graphs"]

    calls = [cell.call(Step(name=str(number), rows=rows)) for number, rows in enumerate(sequence)]

    assert cell.num_graphs == counters["stats"]["unique_graphs"] - graphs
    assert sum(call.captured for call in calls) == counters["frames"]["ok"] - frames
    assert {call.served for call in calls} == {f"g{number}" for number in range(cell.num_graphs)}


# ---- correctness ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["pad", "buckets"])
@pytest.mark.parametrize("rows", [1, 7, 1207])
def test_padding_gives_the_loss_and_the_gradients_of_the_batch_alone(arm, rows):
    workload = small()
    x, target = workload.inputs(rows).double().args[0], workload.targets(rows).double()
    alone = workload.module.double().train()
    loss = nn.functional.mse_loss(alone(x), target)
    loss.backward()

    cell = start(arm_named(arm), Kind.TRAINING)
    call = cell.call(Step(name="residual", rows=rows))

    assert call.rows_run == {"pad": 2048, "buckets": {1: 1, 7: 8, 1207: 2048}[rows]}[arm]
    assert call.failure == ""
    found = [parameter.grad.double() for parameter in cell._runner.module.parameters()]
    for one, other in zip(found, alone.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-5, atol=1e-7)


class Forgetful(Small):
    """Right in float64, wrong in float32: what a miscompiled graph looks like from outside."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y if x.dtype == torch.float64 else y * 1.01


@pytest.mark.parametrize("kind", list(Kind))
def test_a_wrong_answer_is_a_failed_call(kind):
    workload = small()
    wrong = replace(workload, module=Forgetful().eval())
    cell = RunningCell(arm_named("eager"), wrong, kind, device=CPU)

    assert cell.call(Step(name="full", rows=2048)).failure.startswith("wrong answer: differs from eager in float64")


def test_a_gradient_that_cancels_to_nothing_is_no_wrong_answer():
    workload = small()
    # Half the targets above and half below by the same: the gradient of the last bias is rounding alone.
    with torch.no_grad():
        workload.module.output.weight.zero_()
    balanced = replace(
        workload,
        make_targets=lambda sizes: (
            workload.module.output.bias + 1.0 - 2.0 * (torch.arange(sizes["batch"]) % 2)[:, None]
        ),
    )

    call = RunningCell(arm_named("eager"), balanced, Kind.TRAINING, device=CPU).call(Step(name="full", rows=2048))

    assert call.failure == ""


class Undecided(Small):
    """Right in float64, no number in float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y if x.dtype == torch.float64 else y * float("nan")


def test_nan_is_a_wrong_answer():
    workload = small()
    nan = replace(workload, module=Undecided().eval())

    call = RunningCell(arm_named("eager"), nan, Kind.INFERENCE, device=CPU).call(Step(name="full", rows=4))

    assert call.failure.startswith("wrong answer")


# ---- steady blocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["eager", "compile", "eager_on_recompile"])
def test_a_block_has_three_interleaved_series(arm):
    cell = start(arm_named(arm))
    step = Step(name="block A", rows=64, steady=True)
    cell.call(step)

    block = cell.block(step, 4)

    assert (block.step, block.rows) == ("block A", 64)
    assert [len(series) for series in (block.arm, block.eager, block.again)] == [4, 4, 4]
    assert min((*block.arm, *block.eager, *block.again)) > 0


def test_compiling_inside_a_block_is_an_error():
    cell = start(arm_named("compile_static"))
    cell.call(Step(name="full", rows=2048))

    with pytest.raises(RuntimeError, match="fail_on_recompile"):
        cell.block(Step(name="residual", rows=1207, steady=True), 2)
