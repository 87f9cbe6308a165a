from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.profiling.host import Part, split_steps
from pricebench.profiling.trace import read_trace
from tests.profiling.traces import event, step, write


@pytest.fixture
def split(tmp_path):
    """Events -> the only step, its times in microseconds."""

    def split(*events):
        (found,) = split_steps(read_trace(write(tmp_path / "trace.json", *events)))
        return (
            {part: time / 1000 for part, time in found.parts.items() if time},
            [gap / 1000 for gap in found.gaps],
            {name: (part, calls, time / 1000) for (name, part), (calls, time) in found.self_times.items()},
        )

    return split


# ---- which part a moment belongs to --------------------------------------------------------------------------------


def test_an_eager_layer_is_compute_dispatch_and_python(split):
    parts, gaps, self_times = split(
        step(0, 100),
        event("aten::linear", 10, 60),
        event("aten::t", 11, 15),
        event("aten::transpose", 12, 14),
        event("aten::addmm", 20, 55),
        event("aten::expand", 21, 23),
        event("aten::copy_", 25, 30),
        event("aten::resolve_conj", 31, 32),
        event("aten::relu_", 70, 90),
        event("aten::clamp_min_", 72, 88),
    )

    # addmm computes although it calls copy_: 35 - 2 - 5 - 1 = 27. copy_ 5, clamp_min_ 16: 48.
    # linear 50 - 4 - 35 = 11, t 2, transpose 2, expand 2, resolve_conj 1, relu_ 20 - 16 = 4: 22.
    # Nothing runs in 0-10, 60-70 and 90-100.
    assert parts == {Part.COMPUTE: 48.0, Part.DISPATCH: 22.0, Part.PYTHON: 30.0}
    assert gaps == [10.0, 10.0, 10.0]
    assert self_times["aten::addmm"] == (Part.COMPUTE, 1, 27.0)
    assert self_times["aten::linear"] == (Part.DISPATCH, 1, 11.0)


def test_a_compiled_call_is_guards_wrappers_and_kernels(split):
    parts, gaps, _ = split(
        step(0, 100),
        event("TorchDynamo Cache Lookup", 5, 12),
        event("Torch-Compiled Region: 0/0", 12, 95),
        event("Pregraph bytecode", 13, 15),
        event("AOTDispatcher Runtime Wrapper Prologue", 16, 18),
        event("CompiledFunction", 20, 90),
        event("## Call CompiledFxGraph fabc ##", 22, 85),
        event("mkl::_mkl_linear", 25, 50),
        event("graph_0_cpp_fused_relu_0", 52, 62),
    )

    # Region 83 without the kernels' 25 + 10; guards 7; nothing before 5 and after 95.
    assert parts == {Part.COMPUTE: 35.0, Part.WRAPPERS: 48.0, Part.GUARDS: 7.0, Part.PYTHON: 10.0}
    assert gaps == [5.0, 5.0]


def test_a_backward_pass_is_dispatch_around_its_operators(split):
    parts, _, _ = split(
        step(0, 50),
        event("autograd::engine::evaluate_function: AddmmBackward0", 0, 40),
        event("AddmmBackward0", 2, 38),
        event("aten::mm", 5, 35),
        event("aten::resolve_conj", 6, 7),
        event("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", 41, 47),
        event("torch::autograd::AccumulateGrad", 42, 46),
        event("aten::detach", 43, 45),
        event("detach", 43.5, 44.5),
    )

    assert parts == {Part.COMPUTE: 29.0, Part.DISPATCH: 17.0, Part.PYTHON: 4.0}


def test_the_loss_computes_beside_calling_an_operator_that_computes(split):
    parts, _, _ = split(
        step(0, 10), event("aten::mse_loss", 0, 10), event("aten::mean", 4, 9), event("aten::sum", 5, 8)
    )

    # mse_loss 5 and sum 3 compute; mean only calls sum.
    assert parts == {Part.COMPUTE: 8.0, Part.DISPATCH: 2.0}


def test_an_annotation_of_the_user_changes_nothing(split):
    parts, _, _ = split(
        step(0, 10), event("Optimizer.step#Adam.step", 1, 9, cat="user_annotation"), event("aten::_fused_adam_", 2, 5)
    )

    assert parts == {Part.COMPUTE: 3.0, Part.PYTHON: 7.0}


def test_another_thread_explains_what_the_steps_own_leaves_free(split):
    # As autograd's thread does for a CUDA model. Where both run, the step's own counts.
    parts, gaps, _ = split(
        step(0, 100),
        event("aten::relu", 10, 30),
        event("aten::mm", 20, 50, tid=8),
        event("aten::sum", 60, 70, tid=8, pid=200),
    )

    assert parts == {Part.COMPUTE: 40.0, Part.PYTHON: 60.0}
    assert gaps == [10.0, 50.0]


def test_an_operator_across_the_edge_of_a_step_is_cut(split):
    parts, _, self_times = split(
        step(10, 20), event("aten::relu", 5, 12), event("aten::tanh", 18, 30), event("aten::mm", 20, 40)
    )

    assert parts == {Part.COMPUTE: 4.0, Part.PYTHON: 6.0}
    # A call belongs to the step in which it began.
    assert self_times["aten::relu"] == (Part.COMPUTE, 0, 2.0)
    assert self_times["aten::tanh"] == (Part.COMPUTE, 1, 2.0)
    assert "aten::mm" not in self_times


def test_an_operator_that_outlasts_its_caller_by_a_rounding_does_not_call_the_next_one(split):
    parts, _, self_times = split(
        step(0, 20), event("forward", 2, 10), event("aten::mm", 4, 10.001), event("aten::relu", 10, 15)
    )

    assert parts == {Part.COMPUTE: 11.0, Part.DISPATCH: 2.0, Part.PYTHON: 7.0}
    assert self_times["aten::mm"] == (Part.COMPUTE, 1, 6.001)
    assert self_times["aten::relu"] == (Part.COMPUTE, 1, 4.999)


def test_waiting_for_the_device_is_neither_dispatch_nor_python(split):
    parts, _, _ = split(
        step(0, 100),
        event("aten::mm", 10, 30),
        event("cudaLaunchKernel", 15, 20, cat="cuda_runtime", correlation=1),
        event("aten::item", 40, 90),
        event("cudaStreamSynchronize", 45, 85, cat="cuda_runtime", correlation=2),
        event("gemm", 25, 80, cat="kernel", pid=0, correlation=1),
    )

    # With a device the operators of the host only launch.
    assert parts == {Part.DISPATCH: 30.0, Part.WAITING: 40.0, Part.PYTHON: 30.0}


# ---- properties ----------------------------------------------------------------------------------------------------

NAMES = (
    "aten::mm",
    "aten::copy_",
    "aten::t",
    "TorchDynamo Cache Lookup",
    "Torch-Compiled Region: 0/0",
    "autograd::engine::evaluate_function: X",
    "graph_0_cpp_fused_relu_0",
    "forward",
    "a::b",
)
SPANS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


@st.composite
def any_events(draw):
    """Operators and runtime calls anywhere on two threads, overlapping as no profiler would write them."""
    return [
        event(draw(st.sampled_from(NAMES)), *draw(SPANS), tid=draw(st.sampled_from([7, 8])))
        if draw(st.integers(0, 4))
        else event(
            draw(st.sampled_from(["cudaLaunchKernel", "cudaDeviceSynchronize"])), *draw(SPANS), cat="cuda_runtime"
        )
        for _ in range(draw(st.integers(0, 12)))
    ]


@given(st.lists(SPANS, min_size=1, max_size=3), any_events(), st.booleans())
def test_the_parts_of_a_step_add_up_to_the_step(spans, events, has_device):
    marks = [step(start, end, number=number) for number, (start, end) in enumerate(spans)]
    kernels = [event("kernel", 3, 9, cat="kernel", pid=0)] if has_device else []
    with tempfile.TemporaryDirectory() as folder:
        trace = read_trace(write(Path(folder) / "trace.json", *marks, *events, *kernels))

    for found in split_steps(trace):
        assert sum(found.parts.values()) == found.end - found.start
        assert all(time >= 0 for time in found.parts.values())
        # Every nanosecond that is not Python is some operator's self time.
        assert sum(time for _, time in found.self_times.values()) == found.end - found.start - found.parts[Part.PYTHON]
        # Python is where no event is, counted microsecond by microsecond.
        is_free = np.ones(60, dtype=bool)
        for one in events:
            is_free[one["ts"] : one["ts"] + one["dur"]] = False
        assert found.parts[Part.PYTHON] == 1000 * is_free[found.start // 1000 : found.end // 1000].sum()
        assert sum(found.gaps) == found.parts[Part.PYTHON]
        assert all(gap > 0 for gap in found.gaps)
