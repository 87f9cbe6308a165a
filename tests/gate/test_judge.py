from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pricebench.gate.judge import ALPHA, INTERVAL_ALPHA, Verdict, judge
from pricebench.paired.statistics import LOOKS

ratios = st.lists(st.floats(-0.5, 0.5), min_size=8, max_size=40)


# ---- the verdict ---------------------------------------------------------------------------------------------------


def test_slower_can_be_reached_at_every_look():
    # A gate that cannot fail is no gate (chematic's sign test of three blocks was one).
    reached = {found.num_blocks for found in simulated(0.08, noise=0.09, seed=0) if found.verdict is Verdict.SLOWER}

    assert reached == set(LOOKS)


@pytest.mark.parametrize("number", LOOKS)
def test_a_steady_slowdown_is_slower_with_any_number_of_blocks(number):
    assert judge(np.full(number, 0.1) + np.linspace(-0.001, 0.001, number), 0.05).verdict is Verdict.SLOWER


@pytest.mark.parametrize("number", [0, 1, LOOKS[0] - 1])
def test_nothing_is_decided_before_the_first_look(number):
    found = judge([1.0] * number, 0.05)

    assert found.verdict is Verdict.UNDECIDED
    assert found.detectable == math.inf


@pytest.mark.parametrize(
    ("center", "spread", "verdict"),
    [
        (0.0, 0.01, "ok"),
        (0.02, 0.01, "ok"),
        (0.10, 0.01, "slower"),
        (-0.10, 0.01, "faster"),
        (0.0, 0.30, "undecided"),
        (0.10, 0.30, "undecided"),
    ],
)
def test_size_and_certainty_decide_together(center, spread, verdict):
    values = center + spread * np.array([-1, 1, -0.5, 0.5, -0.75, 0.75, -0.25, 0.25])

    assert judge(values, 0.05).verdict == verdict


def test_one_wild_block_decides_nothing():
    quiet = [0.001, -0.001, 0.002, -0.002, 0.0, 0.001, -0.001]

    assert judge([*quiet, 2.0], 0.05).verdict is Verdict.OK


def test_a_significant_change_that_is_too_small_is_ok():
    assert judge(np.full(8, 0.03) + np.linspace(-1e-4, 1e-4, 8), 0.05).verdict is Verdict.OK


def test_the_threshold_scales_the_verdict():
    values = np.full(8, 0.10) + np.linspace(-1e-4, 1e-4, 8)

    assert judge(values, 0.05).verdict is Verdict.SLOWER
    assert judge(values, 0.20).verdict is Verdict.OK


@given(ratios, st.lists(st.floats(-0.5, 0.5), max_size=20))
def test_what_comes_after_a_verdict_does_not_change_it(values, later):
    found = judge(values, 0.05)

    if found.verdict is not Verdict.UNDECIDED:
        assert judge([*values, *later], 0.05) == found


@given(ratios)
def test_blocks_beyond_the_last_look_are_not_used(values):
    found = judge(values, 0.05)

    assert found.num_blocks in LOOKS
    assert found.low <= found.change <= found.high


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_nan_is_no_measurement(wrong):
    with pytest.raises(ValueError, match="NaN or infinity"):
        judge([0.0] * 7 + [wrong], 0.05)


def test_a_threshold_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0, found 0"):
        judge([0.0] * 8, 0)


# ---- error rates ---------------------------------------------------------------------------------------------------


def simulated(slowdown, *, noise, seed, number=2000, heavy=False):
    """Verdicts of runs that stop at the first look that decides."""
    chance = np.random.default_rng(seed)
    drawn = (
        chance.standard_t(3, (number, LOOKS[-1])) / math.sqrt(3) if heavy else chance.normal(size=(number, LOOKS[-1]))
    )
    values = math.log1p(slowdown) + noise * drawn
    return [judge(row, 0.05) for row in values]


def share(found, *verdicts):
    return sum(each.verdict in verdicts for each in found) / len(found)


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "t3"])
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.06])
def test_stopping_when_decided_keeps_the_false_alarms(noise, heavy):
    found = simulated(0.0, noise=noise, seed=1, heavy=heavy)

    # ALPHA a side, and what 2000 draws may exceed it by once in a thousand times (binomial).
    allowed = stats.binom.ppf(0.999, len(found), ALPHA) / len(found)
    assert share(found, Verdict.SLOWER) <= allowed
    assert share(found, Verdict.FASTER) <= allowed


@pytest.mark.parametrize(("slowdown", "least"), [(0.05, 0.6), (0.075, 0.95), (0.10, 0.99)])
def test_a_slowdown_is_found(slowdown, least):
    assert share(simulated(slowdown, noise=0.02, seed=2), Verdict.SLOWER) >= least


def test_the_interval_holds_the_truth_at_whatever_look_the_run_stops():
    truth = 0.04
    found = simulated(truth, noise=0.03, seed=3)

    missed = sum(not each.low <= truth <= each.high for each in found) / len(found)
    assert missed <= stats.binom.ppf(0.999, len(found), 2 * INTERVAL_ALPHA) / len(found)


def test_the_detectable_slowdown_is_found_nine_times_of_ten():
    number, noise = LOOKS[0], 0.02
    chance = np.random.default_rng(4)
    detectable = np.median([judge(noise * chance.normal(size=number), 0.05).detectable for _ in range(500)])

    found = [judge(math.log1p(detectable) + noise * chance.normal(size=number), 0.05) for _ in range(2000)]

    assert 0.85 <= share(found, Verdict.SLOWER) <= 0.95
