from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pricebench.traffic.analysis import (
    at_rate,
    best_of_ours,
    fixed_rates,
    growth,
    half_of_ours,
    highest,
    measured,
    slope,
    times_ours,
)
from pricebench.traffic.records import Purpose, Traffic
from tests.traffic.made import OURS, RIVAL, probe, report, server, soak, whole


def test_the_highest_rate_is_one_that_was_held_and_confirmed():
    made = report(
        probe(4_000),
        probe(4_000, held=False, purpose=Purpose.CONFIRM),
        probe(3_800, purpose=Purpose.CONFIRM),
        probe(6_000, purpose=Purpose.FIXED),
    )

    assert highest(made, OURS, Traffic.ONE).rate == 3_800
    assert highest(made, OURS, Traffic.MIXED) is None


def test_ours_is_the_fastest_of_our_modes():
    made = report(
        probe(3_000, purpose=Purpose.CONFIRM),
        probe(5_001, name="pricebench-aot", purpose=Purpose.CONFIRM),
        probe(2_000, name=RIVAL, purpose=Purpose.CONFIRM),
        servers=(
            server(RIVAL, is_ours=False),
            server("gone", is_ours=False, missing="no"),
            server(),
            server("pricebench-aot"),
        ),
    )

    assert best_of_ours(made, Traffic.ONE).server == "pricebench-aot"
    assert times_ours(made, RIVAL, Traffic.ONE) == pytest.approx(2.5005)
    assert half_of_ours(made, Traffic.ONE) == 2_500
    assert [each.name for each in measured(made)] == [OURS, "pricebench-aot", RIVAL]


def test_probes_at_fixed_rates_stand_beside_each_other():
    made = whole()

    assert fixed_rates(made, Traffic.ONE) == [4_000]
    assert at_rate(made, RIVAL, Traffic.ONE, 4_000).server == RIVAL
    assert at_rate(made, RIVAL, Traffic.ONE, 500) is None


def test_the_slope_is_that_of_a_straight_line_and_has_its_error():
    rng = np.random.default_rng(1)
    times = np.arange(120.0) * 5
    resident = (400e6 + 3_000 * times + rng.normal(0, 50_000, times.size)).round().astype(int)

    found = growth(times.tolist(), resident.tolist())

    expected = stats.linregress(times / 60, resident / 1024)
    assert found.kib_per_minute == pytest.approx(expected.slope)
    assert found.error == pytest.approx(expected.stderr)
    assert not found.is_flat


def test_what_allocators_take_at_first_is_no_growth():
    found = slope(soak([300.0, 380.0, 400.0, 400.0, 400.0, 400.0, 400.0, 400.0, 400.0, 400.0, 400.0]))

    assert found.kib_per_minute == 0
    assert found.is_flat


def test_two_readings_are_no_line():
    assert growth([0.0, 1.0], [1, 2]) is None
    assert growth([1.0, 1.0, 1.0], [1, 2, 3]) is None
