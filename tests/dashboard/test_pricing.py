from __future__ import annotations

import io
import itertools
import json

import numpy as np
import pandas as pd
import pytest

from pricebench.artifacts import METRICS_FILE
from pricebench.dashboard.pricing import (
    TIMED_CALLS,
    ModeState,
    PriceDesk,
    Residuals,
    inputs_for,
    price_upload,
    quartiles,
    wrong_values,
)
from pricebench.data import make_houses
from pricebench.errors import ArtifactError, DataError
from pricebench.modes import mode_named
from pricebench.serving import Predictor

HOUSE = make_houses(1, seed=5).features_NF[0]
STRANGE = HOUSE * np.array([3.0, 1.0, 1.0, 1.0, 1.0])


@pytest.fixture
def desk(artifacts, metrics):
    return PriceDesk(artifacts, metrics)


# ---- inputs --------------------------------------------------------------------------------------------------------


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

    assert bedrooms.high == pytest.approx(mean + 4 * std)
    assert bedrooms.low == max(0.0, mean - 4 * std)


def test_impossible_values_are_named():
    assert wrong_values(HOUSE) == []
    assert wrong_values(np.array([0.0, 5.0, np.nan, 3.0, 1e3])) == [
        "income is 0, expected above 0 (USD a year).",
        "rooms is nan, expected above 0 (rooms per house).",
    ]


# ---- price and range -----------------------------------------------------------------------------------------------


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


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="pricebench train"):
        PriceDesk.load(tmp_path)


# ---- modes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "torchscript", "fx"])
def test_a_mode_prices_at_once_and_times_single_calls(artifacts, metrics, mode):
    # A clock that moves by one second whenever it is read: each sample is the time between two readings.
    ticks = itertools.count()
    desk = PriceDesk(artifacts, metrics, clock=lambda: float(next(ticks)))

    answer = desk.in_mode(mode, HOUSE)

    assert answer.state is ModeState.READY
    assert answer.dollars == pytest.approx(desk.price(HOUSE).dollars, abs=0.5)
    assert answer.samples == (1.0,) * TIMED_CALLS
    assert answer.ready_after == 1.0


def test_a_mode_that_compiles_waits_until_it_is_told_to(desk):
    answer = desk.in_mode("compile", HOUSE)

    assert answer.dollars is None
    assert answer.state in {ModeState.COLD, ModeState.FAILED}
    assert not desk.is_warming


def test_compiling_happens_beside_the_page_and_then_prices(desk):
    if mode_named("compile").missing():
        pytest.skip("nothing to compile with")

    thread = desk.warm_up("compile")
    again = desk.warm_up("compile")
    meanwhile = desk.in_mode("eager", HOUSE)
    thread.join()
    answer = desk.in_mode("compile", HOUSE)

    assert again is None
    assert meanwhile.state is ModeState.READY
    assert answer.state is ModeState.READY
    assert answer.dollars == pytest.approx(meanwhile.dollars, abs=0.5)
    assert not desk.is_warming


def test_reading_what_was_compiled_makes_the_mode_compile_again(desk):
    if mode_named("compile").missing():
        pytest.skip("nothing to compile with")
    desk.warm_up("compile").join()

    code = desk.code("compile")

    assert "fused" in code
    assert desk.has_code("compile")
    assert desk.in_mode("compile", HOUSE).state is ModeState.COLD
    assert "def forward" in desk.code("fx")


def test_a_mode_that_is_ready_has_nothing_to_warm(desk):
    assert desk.warm_up("eager") is None


def test_quartiles_are_those_of_five_numbers():
    assert quartiles([5.0, 1.0, 3.0, 2.0, 4.0]) == (2.0, 3.0, 4.0)


# ---- files ---------------------------------------------------------------------------------------------------------


def as_csv(houses):
    return houses.frame().to_csv(index=False).encode()


def test_an_uploaded_file_comes_back_with_the_predictors_prices(artifacts):
    houses, predictor = make_houses(300, seed=8), Predictor(artifacts)

    priced = price_upload(predictor, "my houses.csv", as_csv(houses))

    table = pd.read_csv(io.BytesIO(priced.csv))
    assert table["predicted_price"].to_numpy() == pytest.approx(predictor.predict(houses.features_NF), abs=0.01)
    assert priced.report.num_rows == 300
    assert priced.name == "priced_my_houses.csv"
    assert len(priced.head) == 100


def test_a_wrong_cell_is_named_with_its_row(artifacts):
    content = b"income,house_age,rooms,bedrooms,population\n70000,5,7,4,30000\n70000,5,seven,4,30000\n"

    with pytest.raises(DataError, match="row 2: rooms is 'seven'"):
        price_upload(Predictor(artifacts), "houses.csv", content)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "...", "<script>.csv", "a" * 5_000 + ".csv"])
def test_a_files_name_is_never_a_path(artifacts, name):
    priced = price_upload(Predictor(artifacts), name, as_csv(make_houses(3)))

    assert "/" not in priced.name
    assert "<" not in priced.name
    assert priced.name.endswith(".csv")
