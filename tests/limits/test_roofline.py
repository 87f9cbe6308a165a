from __future__ import annotations

import pytest

from pricebench.limits.benchmarks import roof_of, told
from pricebench.limits.records import Precision
from pricebench.limits.roofline import Bound, bandwidth_for, peak, roof
from tests.history.test_table import benchmark
from tests.limits.made import limits, rate

FLOAT32 = Precision.FLOAT32


def test_the_limit_is_the_longer_of_arithmetic_and_memory():
    # By hand: 1 GFLOP at 100 GFLOP/s is 10 ms; 200 MB at 10 GB/s are 20 ms.
    bound = roof(limits(), flop=10**9, size=2 * 10**8, threads=1, precision=FLOAT32, operators=7)

    assert (bound.arithmetic, bound.memory, bound.dispatch) == pytest.approx((10e-3, 20e-3, 7e-6))
    assert bound.seconds == pytest.approx(20e-3)
    assert bound.share_of(40e-3) == pytest.approx(0.5)


def test_what_fits_into_the_cache_is_read_from_there():
    assert bandwidth_for(limits(), 1000, 1) == pytest.approx(100e9)
    assert bandwidth_for(limits(), 2**15 + 1, 1) == pytest.approx(10e9)
    assert bandwidth_for(limits(), 2**40, 1) == pytest.approx(10e9)
    assert bandwidth_for(limits(), 1000, 2) is None


@pytest.mark.parametrize(
    ("flop", "size", "operators", "measured", "bound"),
    [
        (10**9, 1000, 1, 15e-3, Bound.ARITHMETIC),
        (10, 2 * 10**8, 1, 30e-3, Bound.MEMORY),
        (10, 1000, 20, 30e-6, Bound.DISPATCH),
        (10, 1000, 20, 50e-6, Bound.OTHER),
        (10, 1000, None, 30e-6, Bound.OTHER),
    ],
)
def test_what_binds_explains_half_of_the_time(flop, size, operators, measured, bound):
    found = roof(limits(), flop=flop, size=size, threads=1, precision=FLOAT32, operators=operators)

    assert found.binds(measured) is bound


def test_a_library_that_computed_less_precisely_is_no_limit():
    found = limits(rate("torch.mm", 60), rate("torch.mm, medium", 200, arithmetic="less than float32"))

    assert peak(found, threads=1, precision=FLOAT32).library == "torch.mm"
    assert peak(found, threads=1, precision=Precision.BFLOAT16) is None
    assert roof(found, flop=1, size=1, threads=2, precision=FLOAT32) is None


def test_a_benchmark_has_the_limit_of_its_threads_and_precision():
    info = {"flop": 10**9, "bytes": 1000, "threads": 1, "dtype": "float32", "device": "cpu"}

    assert roof_of(limits(), benchmark("test_f[eager]", 20e-3, **info)).seconds == pytest.approx(10e-3)
    for wrong in ({"threads": 2}, {"dtype": "float64"}, {"device": "cuda"}, {"flop": None}, {"flop": True}):
        assert roof_of(limits(), benchmark("test_f[eager]", 20e-3, **info | wrong)) is None


def test_without_limits_the_command_is_named(tmp_path):
    assert "pricebench limits" in told(None, tmp_path)
    assert "2026-11-28" in told(limits(), tmp_path)
