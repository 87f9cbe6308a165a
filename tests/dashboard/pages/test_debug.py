from __future__ import annotations

import json

import pytest

from tests.dashboard.pages.opened import opened, texts


def test_debug_ends_in_the_price_of_predict(desk):
    price = opened(desk, "predict", income="70000").metric[0].value.replace("\\", "").replace("$", "")
    debug = opened(desk, "debug", income="70000")

    assert price in debug.code[-1].value


@pytest.mark.parametrize("mode", ["eager", "fx", "torchscript"])
def test_a_modes_code_is_shown_or_said_to_be_none(desk, mode):
    app = opened(desk, "debug", look="Code of a mode", mode=mode)

    assert not app.exception
    assert ("def forward" in texts(app)) == (mode != "eager")


def test_the_environment_and_a_raw_run_can_be_read(desk):
    environment = opened(desk, "debug", look="Environment")
    raw = opened(desk, "debug", look="Raw run")

    assert "torch" in environment.dataframe[0].value["fact"].tolist()
    assert json.loads(raw.json[0].value)["version"] == "5.3.1"
