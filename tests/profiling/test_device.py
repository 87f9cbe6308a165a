"""The golden CUDA trace is made by hand; so is every expected number here, in microseconds.

host, thread 7   linear 1100-1200 (launches gemm at 1150), relu 1250-1300 (launch 1260), copy_ 1320-1380 (1340),
                 cudaDeviceSynchronize 1500-1900
host, thread 8   a node of autograd 1400-1450 (launches relu_backward at 1410), sum 1710-1740 (launch 1720)
stream 7         gemm 1200-1400, relu 1400.02-1500, relu_backward 1600-1700, sum 1750-1800
stream 20        a copy 1450-1550
step 0           1000-2000
step 1           2000-2100: nothing on the host; on the device a fill 2090-2150 that no call launched
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.profiling.device import GapKind, count_replays, split_devices
from pricebench.profiling.host import Part, split_steps
from pricebench.profiling.trace import read_trace
from tests.profiling.traces import event, step, write

GOLDEN = Path(__file__).parents[1] / "golden" / "cuda_trace.json"


@pytest.fixture(scope="module")
def golden():
    trace = read_trace(GOLDEN)
    steps = list(split_steps(trace))
    return steps, split_devices(trace, steps)


def test_busy_and_idle_time_of_the_golden_trace(golden):
    _, devices = golden
    first, second = devices["0"]

    # gemm 200, relu 99.98, the copy's 50 after relu's end, relu_backward 100, sum 50.
    assert first.busy == 499_980
    # The fill, cut at the end of the step.
    assert second.busy == 10_000


def test_gaps_of_the_golden_trace_are_told_apart(golden):
    _, devices = golden
    first, second = devices["0"]

    assert first.gaps == {
        # Before gemm, whose launch began at 1150: 1000-1200. Before sum, launched at 1720, when the device had been
        # idle since 1700: 1700-1750. After sum nothing was launched: 1800-2000.
        GapKind.HOST_BOUND: (200_000, 50_000, 200_000),
        # Between gemm and relu: 20 ns.
        GapKind.BACK_TO_BACK: (20,),
        # Before relu_backward: launched at 1410, long before the copy ended at 1550.
        GapKind.OTHER: (50_000,),
    }
    # Nobody launched the fill: why the device waited for it cannot be known.
    assert second.gaps == {GapKind.HOST_BOUND: (), GapKind.BACK_TO_BACK: (), GapKind.OTHER: (90_000,)}


def test_kernels_of_the_golden_trace(golden):
    _, devices = golden
    first, _ = devices["0"]

    assert first.kernels == {
        "gemm": (1, 200_000),
        "relu": (1, 99_980),
        "Memcpy DtoH (Device -> Pinned)": (1, 100_000),
        "relu_backward": (1, 100_000),
        "sum": (1, 50_000),
    }


def test_the_host_of_the_golden_trace(golden):
    (first, second), _ = golden

    # linear 100, relu 50, copy_ 60 and, while thread 7 runs nothing, autograd's 50; the sum of thread 8 runs while
    # thread 7 waits. Their launches are part of them.
    assert first.parts[Part.DISPATCH] == 260_000
    assert first.parts[Part.WAITING] == 400_000
    assert first.parts[Part.COMPUTE] == 0
    # 1000-1100, 1200-1250, 1300-1320, 1380-1400, 1450-1500, 1900-2000.
    assert first.gaps == (100_000, 50_000, 20_000, 20_000, 50_000, 100_000)
    assert second.gaps == (100_000,)


@pytest.mark.parametrize(
    ("begin", "launch", "kind"),
    [
        (20.030, 19, GapKind.BACK_TO_BACK),
        (20.031, 19, GapKind.OTHER),
        (25, 19.999, GapKind.OTHER),
        (25, 20, GapKind.HOST_BOUND),
        (25, None, GapKind.OTHER),
    ],
)
def test_the_kind_of_a_gap_depends_on_its_length_and_on_when_the_next_launch_began(tmp_path, begin, launch, kind):
    launches = [event("cudaLaunchKernel", launch, 24, cat="cuda_runtime", correlation=2)] if launch else []
    trace = read_trace(
        write(
            tmp_path / "t",
            step(0, 30),
            event("a", 0, 20, cat="kernel", pid=0),
            event("b", begin, 30, cat="kernel", pid=0, correlation=2),
            *launches,
        )
    )

    ((found,),) = split_devices(trace, list(split_steps(trace))).values()

    assert {of: len(gaps) for of, gaps in found.gaps.items() if gaps} == {kind: 1}


def test_two_devices_are_told_apart(tmp_path):
    trace = read_trace(
        write(
            tmp_path / "t",
            step(0, 30),
            event("a", 0, 20, cat="kernel", pid=0),
            event("a", 10, 30, cat="kernel", pid=1),
        )
    )

    devices = split_devices(trace, list(split_steps(trace)))

    assert {name: found.busy for name, (found,) in devices.items()} == {"0": 20_000, "1": 20_000}


def test_replays_of_cuda_graphs_are_counted(tmp_path):
    replay = event("cudaGraphLaunch", 1, 5, cat="cuda_runtime", correlation=1)

    trace = read_trace(write(tmp_path / "t", step(0, 30), replay, replay, event("a", 6, 20, cat="kernel", pid=0)))

    assert count_replays(trace) == 2
    assert count_replays(read_trace(GOLDEN)) == 0


SPANS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


@given(SPANS, st.lists(st.tuples(SPANS, st.integers(0, 2), st.integers(0, 3)), min_size=1), st.lists(SPANS, max_size=4))
def test_busy_and_gaps_add_up_to_the_step(span, kernels, launches):
    events = [
        event("k", *kernel, cat="kernel", pid=0, tid=stream, correlation=correlation)
        for kernel, stream, correlation in kernels
    ]
    calls = [
        event("cudaLaunchKernel", *call, cat="cuda_runtime", correlation=number) for number, call in enumerate(launches)
    ]
    with tempfile.TemporaryDirectory() as folder:
        trace = read_trace(write(Path(folder) / "trace.json", step(*span), *events, *calls))

    ((found,),) = split_devices(trace, list(split_steps(trace))).values()

    is_busy = np.zeros(60, dtype=bool)
    for (start, end), _, _ in kernels:
        is_busy[start:end] = True
    assert found.busy == 1000 * is_busy[span[0] : span[1]].sum()
    assert found.busy + sum(map(sum, found.gaps.values())) == 1000 * (span[1] - span[0])
    assert all(gap > 0 for gaps in found.gaps.values() for gap in gaps)
