from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pricebench.paired.records import Block
from pricebench.paired.statistics import LOOKS, log_ratio, log_ratios, median_seconds, quantile, trimmed_mean

CASE = "sums"


def made(**slices):
    """A block of one case, by arm its slices."""
    return Block(number=0, seconds={CASE: slices}, calls={CASE: 1})


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=40, unique=True))
def test_the_trimmed_mean_is_scipys(values):
    center, _, freedom = trimmed_mean(np.array(values))

    assert center == pytest.approx(stats.trim_mean(values, 1 / 8), abs=1e-12)
    assert freedom == len(values) - 2 * (len(values) // 8) - 1


@given(st.lists(st.integers(-1000, 1000), min_size=8, max_size=40, unique=True))
def test_its_error_is_that_of_yuens_test_in_scipy(numbers):
    values = np.array(numbers) / 1000

    center, error, _ = trimmed_mean(values)

    # Against a sample without spread Yuen's statistic is the trimmed mean over its own error.
    yuen = stats.ttest_ind(values, np.zeros(8), equal_var=False, trim=1 / 8).statistic
    assert center / error == pytest.approx(yuen, rel=1e-9, abs=1e-9)


def test_a_blocks_ratio_is_the_median_over_rounds_against_all_others():
    # By hand: the rounds' logarithms are ln 1.1 - (ln 1 + ln 1) / 2, ln 1.2 - 0 and ln 4 - (ln 1 + ln 4) / 2 = ln 2.
    found = log_ratio(made(a=(1.0, 1.0, 1.0), b=(1.0, 1.0, 4.0), c=(1.1, 1.2, 4.0)), CASE, "c", ("a", "b"))

    assert found == pytest.approx(math.log(1.2))


def test_what_slows_a_whole_round_changes_nothing():
    quiet = {"a": (1.0, 1.0, 1.0), "b": (1.1, 1.1, 1.1)}
    busy = {arm: (slices[0], 3 * slices[1], 7 * slices[2]) for arm, slices in quiet.items()}

    found = [log_ratio(made(**arms), CASE, "b", ["a"]) for arms in (quiet, busy)]

    assert found[0] == pytest.approx(found[1])


def test_blocks_without_one_of_the_arms_are_left_out():
    blocks = [made(a=(1.0,), b=(2.0,)), made(a=(1.0,)), made(b=(1.0,)), Block(number=2, seconds={}, calls={})]

    assert log_ratios(blocks, CASE, "b", ["a"]) == pytest.approx([math.log(2)])


def test_times_are_medians_of_medians():
    # By hand: the blocks' medians are 1, 3 and 2.
    blocks = [made(a=(1.0, 1.0, 9.0)), made(a=(3.0,)), made(a=(2.0, 1.0, 3.0))]

    assert median_seconds(blocks, CASE, "a") == 2.0
    assert math.isnan(median_seconds([], CASE, "a"))


def test_the_error_of_all_looks_together_is_never_more_than_was_allowed():
    freedom, alpha = 9, 0.05

    spent = [stats.t.sf(quantile(alpha, look, freedom), freedom) for look in range(1, len(LOOKS) + 1)]

    assert spent[0] == pytest.approx(alpha / 2)
    assert spent[1] == pytest.approx(alpha / 4)
    assert sum(spent) < alpha
