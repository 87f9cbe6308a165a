from __future__ import annotations

from pathlib import Path

import pytest

from pricebench.profiling import GapKind, Gaps, Operator, Part, analyse
from tests.profiling.traces import event, step, write

GOLDEN = Path(__file__).parents[1] / "golden" / "cuda_trace.json"


def test_the_golden_trace_in_seconds():
    analysis = analyse(GOLDEN)

    # Steps of 1000 and 100 microseconds; the parts of both are worked out in test_device.py.
    assert [found.duration for found in analysis.steps] == [0.001, 0.0001]
    assert analysis.duration == pytest.approx(0.0011)
    assert analysis.parts == {
        Part.COMPUTE: 0.0,
        Part.DISPATCH: 0.00026,
        Part.PYTHON: 0.00044,
        Part.GUARDS: 0.0,
        Part.WRAPPERS: 0.0,
        Part.WAITING: 0.0004,
    }
    assert analysis.share(Part.WAITING) == pytest.approx(4 / 11)
    # 20, 20, 50, 50, 100, 100 and 100: the 4th and the 7th.
    assert analysis.gaps == Gaps(num=7, per_step=3.5, total=0.00044, p50=0.00005, p99=0.0001)
    (device,) = analysis.devices
    assert (device.name, device.busy, device.idle) == ("0", 0.00050998, 0.00059002)
    assert device.gaps[GapKind.HOST_BOUND] == Gaps(num=3, per_step=1.5, total=0.00045, p50=0.0002, p99=0.0002)
    assert device.gaps[GapKind.OTHER] == Gaps(num=2, per_step=1.0, total=0.00014, p50=0.00005, p99=0.00009)
    assert device.kernels[0] == Operator(
        name="gemm", part=None, num_calls=1, self_time=0.0002, share=pytest.approx(2 / 11)
    )


def test_the_ten_largest_operators_are_by_self_time(tmp_path):
    # Operator n runs n microseconds, called by one that takes all the rest of 100.
    events = [event(f"aten::op{n}", start := n * (n - 1) // 2, start + n) for n in range(1, 13)]

    analysis = analyse(write(tmp_path / "t", step(0, 100), event("forward", 0, 100), *events))

    assert [operator.name for operator in analysis.operators] == [
        "forward",
        *(f"aten::op{n}" for n in range(12, 3, -1)),
    ]
    assert analysis.operators[0].self_time == pytest.approx((100 - 78) / 1e6)
    assert analysis.operators[1].share == pytest.approx(0.12)


def test_steps_are_put_together(tmp_path):
    analysis = analyse(
        write(
            tmp_path / "t",
            step(0, 10, number=3),
            event("aten::mm", 0, 10),
            step(20, 50, number=4),
            event("aten::mm", 20, 30),
        )
    )

    assert [found.number for found in analysis.steps] == [3, 4]
    assert analysis.share(Part.COMPUTE) == 0.5
    assert analysis.operators[0].num_calls == 2
    assert analysis.gaps == Gaps(num=1, per_step=0.5, total=2e-05, p50=2e-05, p99=2e-05)
    assert analysis.devices == ()


def test_a_step_without_gaps_has_no_percentiles(tmp_path):
    analysis = analyse(write(tmp_path / "t", step(0, 10), event("aten::mm", 0, 10)))

    assert analysis.gaps == Gaps(num=0, per_step=0.0, total=0.0, p50=None, p99=None)


# ---- what must be known to read the numbers ------------------------------------------------------------------------


@pytest.fixture
def warnings(tmp_path):
    return lambda *events: " ".join(analyse(write(tmp_path / "t", *events)).warnings)


def test_every_analysis_says_that_it_is_no_timing(warnings):
    assert "read shares, not times" in warnings(step(0, 10), event("aten::mm", 0, 10))


def test_replays_of_cuda_graphs_are_marked_unreliable(warnings):
    replay = event("cudaGraphLaunch", 1, 5, cat="cuda_runtime", correlation=1)

    said = warnings(step(0, 10), event("aten::mm", 0, 10), replay, event("k", 6, 9, cat="kernel", pid=0))

    assert "1 CUDA graph replays" in said
    assert "unreliable" in said


def test_generated_kernels_that_were_not_recorded_are_missed(warnings):
    graph = event("## Call CompiledFxGraph fabc ##", 0, 9)

    assert "generated kernels" in warnings(step(0, 10), graph)
    assert "generated kernels" not in warnings(step(0, 10), graph, event("graph_0_cpp_fused_relu_0", 2, 3))
    # A device's trace has every kernel.
    assert "generated kernels" not in warnings(step(0, 10), graph, event("triton", 2, 3, cat="kernel", pid=0))


def test_uneven_steps_are_mentioned(warnings):
    even = [step(20 * n, 20 * n + 10, number=n) for n in range(4)]

    assert "uneven steps: 1 of 5" in warnings(*even, step(200, 221), event("aten::mm", 0, 1))
    assert "uneven" not in warnings(*even, step(200, 220), event("aten::mm", 0, 1))


def test_a_trace_without_operators_is_mentioned(warnings):
    assert "no operators were recorded" in warnings(step(0, 10), event("k", 6, 9, cat="kernel", pid=0))


def test_a_step_without_duration_has_no_shares(tmp_path):
    analysis = analyse(write(tmp_path / "t", step(5, 5), event("aten::mm", 0, 10)))

    assert analysis.share(Part.COMPUTE) == 0.0
