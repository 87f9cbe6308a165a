from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.training import TrainingConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_rows", 0),
        ("epochs", 0),
        ("steps", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("prior", -1.0),
        ("average_decay", 1.0),
        ("test_size", 1.0),
        ("validation_size", 0.0),
        ("split_seed", -1),
        ("seed", 2**32),
        ("evaluate_every", 0),
        ("patience", 0),
    ],
)
def test_impossible_values_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name} is {value}, expected "):
        TrainingConfig(**{name: value})


def test_learning_rate_warms_up_and_ends_at_zero():
    config = TrainingConfig(learning_rate=1.0)

    assert config.learning_rate_at(0.0) == 0.0
    assert config.learning_rate_at(0.05) == pytest.approx(0.9938, abs=1e-4)  # (1 + cos(0.05 pi)) / 2
    assert config.learning_rate_at(0.5) == pytest.approx(0.5)
    assert config.learning_rate_at(1.0) == pytest.approx(0.0)


def test_prior_is_whole_until_it_fades():
    config = TrainingConfig(prior=8.0)

    assert config.prior_at(0.7) == pytest.approx(8.0)
    assert config.prior_at(0.85) == pytest.approx(2.0)
    assert config.prior_at(1.0) == 0.0


@given(st.floats(1e-6, 0.999), st.floats(1e-6, 0.999))
def test_the_fewest_rows_leave_two_for_each_part_and_one_less_does_not(test_size, validation_size):
    config = TrainingConfig(test_size=test_size, validation_size=validation_size)

    def parts(rows):
        num_test = math.ceil(test_size * rows)
        return num_test, math.ceil(validation_size * (rows - num_test))

    assert min(parts(config.fewest_rows)) >= 2
    assert min(parts(config.fewest_rows - 1)) < 2
