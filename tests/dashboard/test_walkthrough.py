from __future__ import annotations

import numpy as np
import pytest

from pricebench.dashboard.walkthrough import code_of, environment, steps, walk
from pricebench.data import make_houses
from pricebench.errors import ModeError
from pricebench.machine import this_machine
from tests.serving import exact_dollars

HOUSE = make_houses(1, seed=5).features_NF[0]


def test_the_walk_ends_in_the_price_that_numpy_works_out_in_float64(artifacts):
    exact_N, tolerance_N = exact_dollars(artifacts, HOUSE[None, :])

    house = walk(artifacts, HOUSE)

    assert house.dollars == pytest.approx(exact_N[0], abs=tolerance_N[0])
    assert house.output * house.price_std + house.price_mean == pytest.approx(house.dollars, abs=0.1)


def test_z_scores_are_those_of_the_formula(artifacts):
    table = walk(artifacts, HOUSE).features

    expected = (table["value"] - table["training mean"]) / table["training std"]
    assert table["z-score"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)


def test_active_units_are_those_that_numpy_finds_above_zero(artifacts):
    model, stats = artifacts.model, artifacts.stats
    z_F = (HOUSE - stats.features.mean.numpy()) / stats.features.std.numpy()
    first_H = model.hidden1.weight.detach().numpy() @ z_F + model.hidden1.bias.detach().numpy()

    layers = walk(artifacts, HOUSE).layers

    assert layers["active"][0] == np.sum(first_H > 0)
    assert layers["largest activation"][0] == pytest.approx(first_H.max(), rel=1e-5)


def test_the_arithmetic_is_written_out(artifacts):
    house = walk(artifacts, HOUSE)

    assert f"{house.dollars:,.2f}" in steps(house)[-1]


def test_a_modes_code_is_shown_or_refused_with_the_modes_that_have_some(artifacts):
    assert "def forward" in code_of(artifacts, "fx")
    assert "def forward" in code_of(artifacts, "torchscript")
    with pytest.raises(ModeError, match="torchscript, fx"):
        code_of(artifacts, "eager")


def test_the_environment_names_the_fingerprint_and_every_library():
    facts = environment()

    assert facts["fingerprint"] == this_machine().digest
    assert {"torch", "streamlit", "python", "threads"} <= set(facts)
    assert "not installed" not in facts.values()
