from __future__ import annotations

import pytest

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
