from __future__ import annotations

import pytest

from pricebench.dashboard.charts.roofline import roofline_chart
from pricebench.dashboard.rooflines import finding, points_frame, points_table, roofs_frame
from tests.dashboard.stored import EVIL
from tests.history.test_table import benchmark
from tests.limits.made import limits, rate

INFO = {"flop": 10**9, "bytes": 10**6, "threads": 1, "dtype": "float32", "device": "cpu"}


def test_a_point_is_what_a_benchmark_reaches_below_its_roof():
    frame = points_frame(limits(), [benchmark("test_forward[eager-full]", 20e-3, **INFO)], 1)

    (point,) = frame.to_dict("records")
    assert point["name"] == "forward eager full"
    assert (point["intensity"], point["rate"], point["share"]) == pytest.approx((1000.0, 50e9, 0.5))
    assert point["bound"] == "arithmetic"
    assert finding(frame) == "forward eager full comes nearest to its limit: 50%. Bound are 1 by arithmetic."
    assert points_table(frame)["of the limit"].tolist() == ["50%"]


def test_single_events_and_benchmarks_of_other_threads_or_without_bytes_are_left_out():
    others = [
        benchmark("test_a[eager]", 1.0, **INFO | {"threads": 2}),
        benchmark("test_b[eager]", 1.0, **INFO | {"bytes": 0}),
        benchmark("test_first_call[eager]", 1.0, rounds=1, **INFO),
    ]

    frame = points_frame(limits(), others, 1)

    assert frame.empty
    assert finding(frame) == "No benchmark of this run has a limit on so many threads."


def test_roofs_meet_where_memory_and_arithmetic_take_as_long():
    frame = roofs_frame(limits(rate("torch.mm", 100)), 1, [0.01, 1000.0])

    level = frame[frame["kind"] == "arithmetic"]
    # By hand: 100 GFLOP/s over 100 GB/s of cache is 1 FLOP a byte, over 10 GB/s of memory 10.
    assert level["intensity"].min() == pytest.approx(1.0, rel=0.3)
    slopes = frame[frame["kind"] == "memory"].groupby("roof")["intensity"].max().to_dict()
    assert slopes["nearest cache, 100 GB/s"] == pytest.approx(1.0, rel=0.3)
    assert slopes["main memory, 10 GB/s"] == pytest.approx(10.0, rel=0.3)
    assert roofs_frame(limits(), 7, []).empty


def test_names_are_data_and_never_part_of_the_specification():
    points = points_frame(limits(), [benchmark(f"test_forward[{EVIL}]", 20e-3, **INFO)], 1)
    roofs = roofs_frame(limits(), 1, points["intensity"].tolist())

    specification = roofline_chart(roofs, points, points["contestant"].tolist()).to_dict()

    data = specification.pop("datasets")
    assert EVIL in str(data)
    # The domain of the colours is data too: Vega draws it as text.
    del specification["layer"][-1]["encoding"]["color"]["scale"]
    assert EVIL not in str(specification)


@pytest.mark.parametrize("intensity", [1.0, 1e3, 1e9])
def test_every_roof_is_named_however_far_the_axis_reaches(intensity):
    roofs, points = roofs_frame(limits(), 1, [intensity]), points_frame(limits(), (), 1)

    specification = roofline_chart(roofs, points, []).to_dict()

    names = [
        row["roof"]
        for layer in specification["layer"]
        if isinstance(layer["mark"], dict) and layer["mark"]["type"] == "text"
        for row in specification["datasets"][layer["data"]["name"]]
    ]
    assert sorted(names) == sorted(roofs["roof"].unique())
