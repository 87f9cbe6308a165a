from __future__ import annotations

import numpy as np
import pytest

from pricebench.dashboard.house_inputs import inputs_for, wrong_values
from pricebench.data import make_houses

HOUSE = make_houses(1, seed=5).features_NF[0]


def test_inputs_start_at_a_typical_house_and_step_by_a_tenth_of_the_spread(artifacts):
    inputs = {given.quantity.name: given for given in inputs_for(artifacts.stats)}

    # The generator's means are 68,583, 5.977, 6.988 and 36,164, its standard deviations 10,658, 0.99, 1.006 and 9,926.
    assert {name: given.step for name, given in inputs.items()} == {
        "income": 1000.0,
        "house_age": 0.1,
        "rooms": 0.1,
        "bedrooms": 0.1,
        "population": 1000.0,
    }
    assert inputs["income"].typical == pytest.approx(68_583, abs=1_500)
    assert inputs["rooms"].typical == pytest.approx(6.988, abs=0.15)


def test_labels_carry_the_unit(artifacts):
    assert [given.label for given in inputs_for(artifacts.stats)] == [
        "Income (USD a year)",
        "House age (years)",
        "Rooms (per house)",
        "Bedrooms (per house)",
        "Population (people)",
    ]


def test_the_familiar_range_is_four_standard_deviations_and_never_below_the_limit(artifacts):
    bedrooms = inputs_for(artifacts.stats)[3]
    mean, std = artifacts.stats.features.mean[3].item(), artifacts.stats.features.std[3].item()

    assert bedrooms.known == pytest.approx((max(0.0, mean - 4 * std), mean + 4 * std))


def test_impossible_values_are_named():
    assert wrong_values(HOUSE) == []
    assert wrong_values(np.array([0.0, 5.0, np.nan, 3.0, 1e3])) == [
        "income is 0, expected above 0 (USD a year).",
        "rooms is nan, expected above 0 (rooms per house).",
    ]
