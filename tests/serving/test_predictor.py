from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch._dynamo.utils import counters

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES, make_houses
from pricebench.devices import DeviceError
from pricebench.errors import ArtifactError, ModeError
from pricebench.modes import ALL_MODES
from pricebench.modes.compile import MODE as COMPILE
from pricebench.modes.compile import forget
from pricebench.serving import Predictor
from tests.devices import without_cuda
from tests.serving import exact_dollars, untrained_artifacts

HOUSES = make_houses(5_000, seed=11).features_NF


@pytest.fixture(scope="module")
def artifacts():
    return untrained_artifacts()


@pytest.fixture(scope="module")
def predictor(artifacts):
    return Predictor(artifacts)


# `aot` compiles a package for each size, for a minute: test_exported.py has it.
@pytest.fixture(params=[mode for mode in ALL_MODES if mode.name != "aot"], ids=lambda mode: mode.name)
def in_any_mode(request, artifacts):
    if reason := request.param.missing():
        pytest.skip(reason)
    return Predictor(artifacts, mode=request.param.name)


# ---- prices --------------------------------------------------------------------------------------------------------


def test_prices_are_those_of_float64_within_the_error_of_float32(artifacts, in_any_mode):
    exact_N, tolerance_N = exact_dollars(artifacts, HOUSES)

    price_N = in_any_mode.predict(HOUSES)

    assert price_N.dtype == np.float64
    assert (np.abs(price_N - exact_N) <= tolerance_N).all()
    # The bound is a thousandth of what prices differ by; in practice errors cancel, to half a dollar in a million.
    assert tolerance_N.max() < 1e-3 * exact_N.std()
    assert np.abs(price_N - exact_N).max() < 0.5


@pytest.mark.parametrize("num_rows", [1, 2, 2047, 2048, 2049, 5000])
def test_a_house_costs_the_same_alone_and_in_any_company(predictor, artifacts, num_rows):
    x_NF = HOUSES[:num_rows]
    _, tolerance_N = exact_dollars(artifacts, x_NF)

    one_by_one_N = np.concatenate([predictor.predict(x_NF[row : row + 1]) for row in range(num_rows)])

    assert predictor.predict(x_NF).shape == (num_rows,)
    assert (np.abs(predictor.predict(x_NF) - one_by_one_N) <= tolerance_N).all()


@pytest.mark.parametrize("num_rows", [1, 3, 2050])
def test_a_missing_value_makes_its_own_price_unknown_and_no_other(in_any_mode, num_rows):
    x_NF = HOUSES[:num_rows].copy()
    x_NF[-1, 2] = np.nan

    price_N = in_any_mode.predict(x_NF)

    assert np.isnan(price_N).tolist() == [False] * (num_rows - 1) + [True]


def test_no_houses_have_no_prices(in_any_mode):
    assert in_any_mode.predict(np.empty((0, 5))).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, ">f8"])
def test_other_kinds_of_numbers_are_converted(predictor, dtype):
    x_NF = np.round(HOUSES[:10])

    assert np.array_equal(predictor.predict(x_NF.astype(dtype)), predictor.predict(x_NF))


@pytest.mark.parametrize("num_rows", [1, 3])
def test_an_array_that_is_not_writable_or_not_contiguous_is_priced_all_the_same(predictor, num_rows):
    expected_N = predictor.predict(HOUSES[:num_rows])
    frozen = np.ascontiguousarray(HOUSES[:num_rows])
    frozen.setflags(write=False)

    assert np.array_equal(predictor.predict(frozen), expected_N)
    assert np.array_equal(predictor.predict(np.asfortranarray(HOUSES[:num_rows])), expected_N)
    # Another place in the chunk may be summed in another order.
    np.testing.assert_allclose(predictor.predict(HOUSES[num_rows - 1 :: -1]), expected_N[::-1], rtol=2.0**-22)


def test_the_houses_are_left_as_they_are(predictor):
    x_NF = HOUSES[:3].copy()

    predictor.predict(x_NF)

    assert np.array_equal(x_NF, HOUSES[:3])


def test_later_changes_of_the_weights_change_no_price(artifacts):
    own = untrained_artifacts()
    predictor = Predictor(own)

    with torch.no_grad():
        own.model.output.bias += 1.0

    expected_N, tolerance_N = exact_dollars(artifacts, HOUSES[:5])
    assert (np.abs(predictor.predict(HOUSES[:5]) - expected_N) <= tolerance_N).all()


# ---- frames --------------------------------------------------------------------------------------------------------


@pytest.fixture
def frame():
    return pd.DataFrame(HOUSES[:20], columns=list(FEATURES))


def test_a_frame_is_priced_by_its_column_names(predictor, frame):
    shuffled = frame.assign(note="sold")[["note", *reversed(FEATURES)]]

    assert np.array_equal(predictor.predict(shuffled), predictor.predict(HOUSES[:20]))


def test_a_frame_of_one_house_is_priced(predictor, frame):
    assert np.array_equal(predictor.predict(frame.iloc[:1]), predictor.predict(HOUSES[:1]))


@pytest.mark.parametrize(
    ("kind", "missing"), [("float64", np.nan), ("Float64", pd.NA), ("object", None), ("object", pd.NA)]
)
def test_whatever_a_frame_writes_for_a_missing_value_makes_the_price_unknown(predictor, frame, kind, missing):
    frame = frame.astype(kind)
    frame.loc[1, "rooms"] = missing

    assert np.flatnonzero(np.isnan(predictor.predict(frame))).tolist() == [1]


def test_a_frame_that_lacks_columns_is_refused_by_their_names(predictor, frame):
    with pytest.raises(ValueError, match=r"lacks income, rooms; expected the columns income, house_age, rooms, "):
        predictor.predict(frame.drop(columns=["rooms", "income"]))


@pytest.mark.parametrize("shape", [(2, 4), (2, 6), (5,), (), (1, 2, 5)])
def test_a_wrong_shape_is_refused(predictor, shape):
    with pytest.raises(ValueError, match=r"expected houses as \(N, 5\), found shape"):
        predictor.predict(np.ones(shape))


# ---- unfamiliar houses ---------------------------------------------------------------------------------------------


def house(artifacts, **distances):
    """The average house, but for some features that many standard deviations away."""
    mean_F, std_F = artifacts.stats.features.mean.numpy(), artifacts.stats.features.std.numpy()
    return mean_F + std_F * np.array([distances.get(name, 0.0) for name in FEATURES])


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("distance", [-4.01, 4.01, 50.0])
def test_a_value_beyond_four_standard_deviations_is_named(predictor, artifacts, name, distance):
    (warning,) = predictor.warnings_for(house(artifacts, **{name: distance}))

    assert warning.startswith(f"{name} is ")
    assert f" {abs(distance):.1f} standard deviations from the training mean" in warning
    assert warning.endswith("the price is an extrapolation.")


def test_every_unfamiliar_value_is_named(predictor, artifacts):
    warnings = predictor.warnings_for(house(artifacts, income=5, rooms=3.99, population=-6))

    assert [warning.split()[0] for warning in warnings] == ["income", "population"]


def test_a_familiar_house_and_a_missing_value_raise_no_warning(predictor, artifacts):
    familiar = house(artifacts, income=3.99, rooms=-3.99)

    assert predictor.warnings_for(familiar) == []
    assert predictor.warnings_for(np.where(np.arange(5) == 2, np.nan, familiar)) == []


def test_distances_are_in_training_standard_deviations(predictor, artifacts):
    x_NF = np.stack([house(artifacts, rooms=-2.0), house(artifacts, income=3.0)])

    np.testing.assert_allclose(predictor.distance_sd(x_NF), [[0, 0, 2, 0, 0], [3, 0, 0, 0, 0]], atol=1e-9)


# ---- modes and files -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(COMPILE.missing() is not None, reason=str(COMPILE.missing()))
@pytest.mark.parametrize("order", [(1, 5000, 2, 2048, 3, 0, 1, 4097), (2048, 7, 1, 5000, 2)])
def test_any_number_of_rows_compiles_no_more_graphs_than_the_mode_has_sizes(artifacts, order):
    forget()
    predictor = Predictor(artifacts, mode="compile")
    before = counters["stats"]["unique_graphs"]

    for num_rows in order:
        predictor.predict(HOUSES[:num_rows])
    with torch.inference_mode():
        predictor.predict(HOUSES[:9])
    with torch.no_grad():
        predictor.predict(HOUSES[:1])

    assert counters["stats"]["unique_graphs"] - before <= len(COMPILE.sizes)


@pytest.mark.skipif(COMPILE.missing() is not None, reason=str(COMPILE.missing()))
def test_a_single_row_of_other_strides_compiles_no_graph_of_its_own(artifacts):
    forget()
    predictor = Predictor(artifacts, mode="compile")
    expected_N = predictor.predict(HOUSES[:1])
    before = counters["stats"]["unique_graphs"]

    price_N = predictor.predict(np.lib.stride_tricks.as_strided(HOUSES[:1].copy(), strides=(8, 8)))

    assert np.array_equal(price_N, expected_N)
    assert counters["stats"]["unique_graphs"] == before


def test_an_unknown_device_suggests_the_nearest(artifacts):
    with pytest.raises(DeviceError, match=r"No device is called 'gpu'. Did you mean 'cpu'\? Known: cpu, cuda"):
        Predictor(artifacts, device="gpu")


@without_cuda
def test_a_device_that_is_not_there_is_said(artifacts):
    with pytest.raises(DeviceError, match="--device cuda: torch finds no CUDA device here"):
        Predictor(artifacts, device="cuda")


def test_an_unknown_mode_suggests_the_nearest(artifacts):
    with pytest.raises(ModeError, match="Did you mean 'eager'"):
        Predictor(artifacts, mode="egaer")


def test_a_model_of_other_features_is_refused(artifacts):
    other = replace(artifacts, stats=replace(artifacts.stats, feature_names=("a", "b", "c", "d", "e")))

    with pytest.raises(ArtifactError, match=r"expected a model of income, .*, found one of a, b, c, d, e\. Train"):
        Predictor(other)


def test_a_predictor_of_a_folder_prices_as_that_of_the_pair_that_was_saved(artifacts, predictor, tmp_path):
    artifacts.save(tmp_path)

    loaded = Predictor.load(tmp_path)

    assert np.array_equal(loaded.predict(HOUSES[:9]), predictor.predict(HOUSES[:9]))
    assert isinstance(Artifacts.load(tmp_path), Artifacts)
