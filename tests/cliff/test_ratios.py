from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.ratios import Ratio
from pricebench.cliff.records import Block
from pricebench.cliff.schedule import AFTER, BEFORE, Kind
from tests.cliff.made import FULL, cell, report

EQUAL = (1.0, 1.0, 1.0, 1.0)


def analysis(*cells, **more):
    return Analysis(report(*cells, **more), Kind.INFERENCE)


def test_the_noise_floor_is_what_eager_shows_against_itself():
    found = analysis(cell("eager", EQUAL, again=1.03), cell("compile", (1.02, 1.02, 1.04, 1.04), again=1.03))

    assert found.floors.level == pytest.approx(1.03)
    assert not found.against_eager("compile", BEFORE).is_found
    assert found.against_eager("compile", AFTER).is_found


def test_what_changes_without_a_change_of_graph_is_noise_too():
    kept = cell("exclusion_guard", (1.0, 1.0, 1.2, 1.2), served=("g0", "g0"))
    taken = cell("compile", (1.0, 1.0, 1.1, 1.3), served=("g0", "g1"))

    found = analysis(*[kept] * 9, taken)

    assert found.floors.change == pytest.approx(1.2)
    assert not found.after_against_before("compile").is_found
    assert found.later_against_before("compile").is_found


@pytest.mark.parametrize(
    ("low", "value", "high", "is_found"),
    [
        (1.05, 1.10, 1.15, True),
        (0.85, 0.90, 0.95, True),
        (0.99, 1.10, 1.20, False),  # the interval holds 1
        (1.01, 1.02, 1.03, False),  # inside the floor of 5 %
        (0.97, 0.98, 0.99, False),
    ],
)
def test_a_difference_leaves_one_out_and_exceeds_the_floor(low, value, high, is_found):
    assert Ratio(value=value, low=low, high=high, floor=1.05).is_found == is_found


def test_the_interval_is_scipys_percentile_bootstrap_of_the_median():
    generator = np.random.default_rng(3)
    arm, eager = np.exp(generator.normal(0.1, 0.05, 30)), np.exp(generator.normal(0.0, 0.05, 30))
    noisy = Block(step=BEFORE, rows=FULL, arm=tuple(arm), eager=tuple(eager), again=tuple(eager))
    expected = bootstrap(
        (np.log(arm / eager),), np.median, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval

    ratio = analysis(replace(cell("compile", EQUAL), blocks=(noisy,))).against_eager("compile", BEFORE)

    assert ratio.value == pytest.approx(math.exp(np.median(np.log(arm / eager))))
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)), rel=0.01)


@settings(max_examples=30)
@given(st.lists(st.floats(1e-4, 1e-2), min_size=2, max_size=30), st.floats(0.5, 2.0))
def test_the_value_lies_in_its_interval_and_a_common_factor_cancels(times, factor):
    def ratio(scale):
        block = Block(
            step=BEFORE,
            rows=FULL,
            arm=tuple(t * scale for t in times),
            eager=(0.001 * scale,) * len(times),
            again=(0.001 * scale,) * len(times),
        )
        return analysis(replace(cell("compile", EQUAL), blocks=(block,))).against_eager("compile", BEFORE)

    found = ratio(1.0)

    assert found.low <= found.value * (1 + 1e-12)
    assert found.value <= found.high * (1 + 1e-12)
    assert ratio(factor).value == pytest.approx(found.value)
