from __future__ import annotations

import json

import numpy as np
import pytest

from pricebench.artifacts import METRICS_FILE
from pricebench.dashboard.desk import PriceDesk
from pricebench.data import make_houses
from pricebench.serving import Predictor
from pricebench.serving.price_range import Residuals

HOUSE = make_houses(1, seed=5).features_NF[0]
STRANGE = HOUSE * np.array([3.0, 1.0, 1.0, 1.0, 1.0])


@pytest.fixture
def desk(artifacts, metrics):
    return PriceDesk(artifacts, metrics)


def test_the_price_is_the_predictors_and_the_range_adds_the_residuals(desk, artifacts):
    expected = float(Predictor(artifacts).predict(HOUSE[None, :])[0])

    price = desk.price(HOUSE)

    assert price.dollars == expected
    assert price.half == (expected - 40_000.0, expected + 50_000.0)
    assert price.most == (expected - 100_000.0, expected + 120_000.0)
    assert "1,000 held-out houses" in price.range_note
    assert price.warnings == ()


def test_an_unfamiliar_house_says_so_and_has_no_range(desk):
    price = desk.price(STRANGE)

    assert "income" in price.warnings[0]
    assert "extrapolation" in price.warnings[0]
    assert price.half is None
    assert price.most is None
    assert "No range" in price.range_note


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"residual_quantiles": None}, "kept no residuals"),
        ({"model_digest": "other"}, "another model"),
        ({"residual_quantiles": {"0.05": "<b>"}}, "damaged"),
        ({"residual_quantiles": {"0.5": 1.0}}, "damaged"),
        ({"residual_quantiles": [1, 2]}, "damaged"),
        ({"num_test": 39}, "at least 40"),
    ],
)
def test_metrics_without_usable_residuals_leave_the_price_and_say_why(artifacts, metrics, change, says):
    changed = {name: value for name, value in (metrics | change).items() if value is not None}

    price = PriceDesk(artifacts, changed).price(HOUSE)

    assert price.dollars > 0
    assert price.most is None
    assert says in price.range_note


def test_a_folder_without_metrics_still_prices(artifacts_folder):
    (artifacts_folder / METRICS_FILE).unlink()

    price = PriceDesk.load(artifacts_folder).price(HOUSE)

    assert price.most is None
    assert "pricebench train" in price.range_note


def test_residuals_come_back_from_the_file_that_training_writes(artifacts_folder, artifacts):
    metrics = json.loads((artifacts_folder / METRICS_FILE).read_text())

    found = Residuals.from_metrics(metrics, artifacts.stats.model_digest)

    assert found.num_houses == 1_000
    assert found.quantiles[0.95] == 120_000.0
