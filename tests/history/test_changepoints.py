from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evidence.changepoint_rates import bumped, ours, share_flagged, share_found, stationary, stepped
from pricebench.history import find_steps
from pricebench.history.changepoints import CRITICAL, best_bump, best_split, clamped, critical_split

# Of a share: with 2,000 series the standard deviation of a rate of 0.3 % is 0.12 %.
NUM_SERIES = 2000


@pytest.mark.parametrize("num_points", [30, 60, 120])
def test_at_most_half_a_percent_of_gaussian_series_are_flagged(num_points):
    assert share_flagged(stationary(NUM_SERIES, num_points, spikes=False, seed=7), ours) <= 0.005


@pytest.mark.parametrize("num_points", [30, 60, 120])
def test_at_most_two_percent_of_spiked_series_are_flagged(num_points):
    assert share_flagged(stationary(NUM_SERIES, num_points, spikes=True, seed=7), ours) <= 0.02


@pytest.mark.parametrize(("num_after", "at_least"), [(3, 0.80), (5, 0.97)])
@pytest.mark.parametrize("num_before", [30, 60, 120])
def test_a_step_of_a_tenth_is_found_after_few_points(num_before, num_after, at_least):
    series = stepped(NUM_SERIES, num_before, num_after, ratio=1.1, seed=7)

    assert share_found(series, [num_before], ours) >= at_least


def test_an_episode_that_came_and_went_is_found_at_both_edges():
    assert share_found(bumped(500, length=10, ratio=1.1, seed=7), [60, 70], ours) >= 0.95


def test_a_step_is_found_where_it_is_with_both_levels():
    before, after = [1.0, 1.02, 0.98, 1.01, 0.99, 1.0], [1.2, 1.22, 1.18, 1.21]

    (step,) = find_steps(before + after)

    assert (step.index, step.num_before, step.num_after) == (6, 6, 4)
    assert (step.before, step.after) == (1.0, pytest.approx(1.205))


def test_two_steps_of_a_long_series_are_both_found():
    chance = np.random.default_rng(3)
    levels = np.repeat([1.0, 1.1, 0.9], [300, 25, 400])

    steps = find_steps(levels * (1 + 0.02 * chance.standard_normal(725)))

    assert [round(step.ratio, 1) for step in steps] == [1.1, 0.8]
    assert [step.index for step in steps] == pytest.approx([300, 325], abs=1)


def test_two_spikes_in_a_row_are_no_step():
    series = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01, 1.5, 1.5, 1.0, 0.99, 1.01, 1.0, 0.98, 1.02]

    assert find_steps(series) == ()


def test_a_step_that_does_not_matter_is_left_alone():
    series = [1.0, 1.0001] * 20 + [1.02, 1.0201] * 20

    assert find_steps(series) == ()


@pytest.mark.parametrize("series", [[], [1.0], [1.0, 1.0, 2.0, 2.0, 2.0], [0.0] * 20, [-1.0] * 20, [math.nan] * 20])
def test_too_short_or_meaningless_series_have_no_steps(series):
    assert find_steps(series) == ()


def test_points_without_meaning_are_passed_over_and_positions_stay():
    series = [math.nan, *[1.0, 1.01] * 5, 0.0, math.inf, *[1.5, 1.51] * 5]

    (step,) = find_steps(series)

    assert step.index == 13


def test_a_constant_series_has_no_steps():
    assert find_steps([0.1 + 0.2] * 200) == ()


@given(
    st.lists(st.floats(0.5, 2.0), min_size=6, max_size=60),
    st.floats(1e-9, 1e6),
)
def test_the_unit_does_not_matter(series, scale):
    indices = [step.index for step in find_steps(series)]

    # A power of two scales without rounding, so the decisions are bit for bit the same but for the logarithm's offset.
    again = [step.index for step in find_steps([value * 2.0 ** round(math.log2(scale)) for value in series])]

    assert again == indices


@given(st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=400))
def test_steps_are_ordered_apart_and_large_enough(series):
    steps = find_steps(series)

    bounds = [0, *(step.index for step in steps), len(series)]
    assert all(later - earlier >= 3 for earlier, later in pairwise(bounds))
    assert sum(step.num_after for step in steps[-1:]) == (bounds[-1] - bounds[-2] if steps else 0)
    assert all(step.score > critical_split(6) - 1 for step in steps)


def test_the_statistic_is_students_on_the_scale_of_a_normal():
    chance = np.random.default_rng(1)
    x = chance.standard_normal(40)

    z, position = best_split(x)

    # scipy's t-test at every position; its p-value as a z.
    p = [stats.ttest_ind(x[:k], x[k:]).pvalue for k in range(3, 38)]
    assert position == 3 + int(np.argmin(p))
    assert z == pytest.approx(stats.norm.isf(min(p) / 2), abs=0.01)


def test_the_best_bump_is_the_one_that_brute_force_finds():
    x = np.random.default_rng(2).standard_normal(24)
    pairs = [(i, j) for i in range(3, 24) for j in range(i + 7, 22)]

    z, first, last = best_bump(x)

    p = [stats.ttest_ind(x[i:j], np.concatenate([x[:i], x[j:]])).pvalue for i, j in pairs]
    assert (first, last) == pairs[int(np.argmin(p))]
    assert z == pytest.approx(stats.norm.isf(min(p) / 2), abs=0.01)


def test_clamping_moves_spikes_and_keeps_a_run_of_three():
    quiet = np.tile([0.0, 0.01, -0.01, 0.005, -0.005], 6)
    spiked, ended = quiet.copy(), np.concatenate([quiet, [1.0, 1.01, 0.99]])
    spiked[10] = 1.0

    assert np.abs(clamped(spiked)).max() < 0.1
    assert clamped(ended)[-3:] == pytest.approx([1.0, 1.01, 0.99], abs=0.02)


def test_clamping_leaves_gaussian_noise_nearly_alone():
    x = np.random.default_rng(4).standard_normal(5000)

    assert np.mean(clamped(x) != x) < 0.01
    assert clamped(x).std() == pytest.approx(1.0, abs=0.03)


def test_critical_values_are_for_every_length_that_a_window_can_have():
    assert (min(CRITICAL), max(CRITICAL)) == (6, 120)
    assert all(3.0 < critical_split(num_points) < 4.2 for num_points in range(6, 121))
