from __future__ import annotations

import json

import numpy as np

from pricebench.artifacts import METRICS_FILE
from pricebench.data import make_houses
from pricebench.serving import Predictor
from tests.dashboard.pages.opened import opened, texts
from tests.dashboard.stored import EVIL


def test_the_price_follows_the_inputs(desk, artifacts):
    app = opened(desk, "predict")
    before = app.metric[0].value

    app.number_input(key="income").set_value(90_000.0).run()

    house = np.array([[given.value for given in app.number_input]])
    dollars = Predictor(artifacts).predict(house)[0]
    assert app.metric[0].value.replace("\\", "") == f"${dollars:,.0f}"
    assert app.metric[0].value != before
    assert not app.exception


def test_the_address_carries_the_house(desk):
    app = opened(desk, "predict", income="90000", rooms="8")

    assert app.number_input(key="income").value == 90_000.0
    assert app.number_input(key="rooms").value == 8.0


def test_every_mode_prices_the_house_and_compile_waits_for_a_click(desk):
    app = opened(desk, "predict")

    assert [metric.label for metric in app.metric] == ["Price", "eager", "torchscript", "fx", "compile"]
    prices = {mark.value for mark in app.markdown if mark.value.startswith("\\$")}
    assert len(prices) == 1
    assert [button.label for button in app.button] == ["Compile now"]


def test_the_range_comes_from_the_residuals_and_an_old_metrics_file_says_that_it_has_none(desk):
    with_range = texts(opened(desk, "predict"))
    metrics = json.loads((desk / "artifacts" / METRICS_FILE).read_text())
    del metrics["residual_quantiles"]
    (desk / "artifacts" / METRICS_FILE).write_text(json.dumps(metrics))
    without = texts(opened(desk, "predict"))

    assert "9 of 10" in with_range
    assert "9 of 10" not in without
    assert "kept no residuals" in without


def test_an_unfamiliar_house_is_priced_with_a_warning(desk):
    app = opened(desk, "predict", income="900000")

    assert "income is 900000" in app.warning[0].value.replace("\\", "")
    assert "No range" in texts(app)


def test_an_impossible_house_is_refused(desk):
    app = opened(desk, "predict", income="-5")

    assert not app.exception
    assert "income is \\-5" in app.error[0].value
    assert not app.metric


def test_an_uploaded_file_is_priced_and_can_be_downloaded(desk):
    app = opened(desk, "predict")

    app.file_uploader[0].set_value(
        ("houses.csv", make_houses(50).frame().to_csv(index=False).encode(), "text/csv")
    ).run()

    assert not app.exception
    assert app.success[0].value == "50 rows priced."
    assert "predicted_price" in app.dataframe[0].value.columns
    assert app.download_button[0].label == "Download with prices"


def test_a_wrong_file_is_one_sentence(desk):
    app = opened(desk, "predict")

    app.file_uploader[0].set_value(("x.csv", f"income,{EVIL}\n1,2\n".encode(), "text/csv")).run()

    assert not app.exception
    assert len(app.error) == 1
