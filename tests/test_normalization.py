from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pricebench.data import FEATURES
from pricebench.errors import ArtifactError
from pricebench.modes.torchscript import script
from pricebench.normalization import TrainingStats, ZScore

GOLDEN = Path(__file__).parent / "golden" / "training_stats_v1.pt"
FLOAT32_LIMIT = 3e38

# Standard shapes of a column before it is scaled and moved.
DRAWS = {
    "normal": lambda generator, size: generator.standard_normal(size),
    "uniform": lambda generator, size: generator.uniform(-1, 1, size),
    "two values": lambda generator, size: generator.choice([-1.0, 1.0], size),
    "outliers": lambda generator, size: generator.standard_cauchy(size).clip(-1e3, 1e3),
    "nearly constant": lambda _generator, size: np.zeros(size),
}


@st.composite
def tables(draw):
    """2 to 10,000 rows, three columns: scales from 1e-30 to 1e30, offsets up to a million times the spread."""
    num_rows = draw(st.integers(2, 10_000) | st.just(10_000))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table_NF = DRAWS[draw(st.sampled_from(sorted(DRAWS)))](generator, (num_rows, 3))
    table_NF[0], table_NF[1] = -1.0, 1.0  # some spread, whatever was drawn
    offset_F = draw(hnp.arrays(np.float64, 3, elements=st.floats(-1e6, 1e6)))
    scale_F = 10.0 ** draw(hnp.arrays(np.float64, 3, elements=st.floats(-30, 30)))
    return ((table_NF + offset_F) * scale_F).astype(draw(st.sampled_from([np.float32, np.float64])))


def stated_bound(x, mean, std):
    """The bound in ZScore's docstring."""
    return 2.0**-24 * (np.abs(x - mean) + np.abs(x)) * (1 + 2.0**-20) + 2.0**-150 * (1 + std)


def round_trip_error(zscore, x_NF):
    returned_NF = zscore.denormalize(zscore.normalize(torch.from_numpy(x_NF)))
    assert returned_NF.dtype == torch.float32
    return np.abs(returned_NF.double().numpy() - x_NF)


# ---- ZScore --------------------------------------------------------------------------------------------------------


@given(tables())
def test_denormalize_inverts_normalize_within_the_stated_bound(x_NF):
    zscore = ZScore.fit(x_NF, "abc")

    bound_NF = stated_bound(x_NF.astype(np.float64), zscore.mean.numpy(), zscore.std.numpy())

    assert (round_trip_error(zscore, x_NF) <= bound_NF).all()


@given(
    x_N1=hnp.arrays(np.float32, st.tuples(st.integers(1, 10_000), st.just(1)), elements={"allow_nan": False}),
    mean=st.floats(-1e36, 1e36),
    std=st.floats(1e-30, 1e30),
)
def test_the_bound_holds_for_any_mean_and_spread_down_to_subnormal_results(x_N1, mean, std):
    zscore = ZScore(torch.tensor([mean]), torch.tensor([std]))
    x_N1 = x_N1[np.abs(x_N1) < FLOAT32_LIMIT][:, None]
    x_N1 = x_N1[np.abs((x_N1.astype(np.float64) - mean) / std) < FLOAT32_LIMIT][:, None]

    error_N1 = round_trip_error(zscore, x_N1)

    assert (error_N1 <= stated_bound(x_N1.astype(np.float64), mean, std)).all()


@given(tables())
def test_normalised_training_data_has_mean_0_and_population_sd_1(x_NF):
    z_NF = ZScore.fit(x_NF, "abc").normalize(torch.from_numpy(x_NF)).double().numpy()

    # Rounding z to float32 moves each by 2**-24 of itself, and the mean and sd by at most 2**-24 of the sd, which is 1.
    # As much again for the float64 mean: 2**-53 of an offset that is up to 1e8 of the "nearly constant" column's sd.
    np.testing.assert_allclose(z_NF.mean(axis=0), 0.0, atol=2.0**-23)
    np.testing.assert_allclose(z_NF.std(axis=0, ddof=0), 1.0, atol=2.0**-23)


def test_statistics_are_those_of_a_hand_calculation():
    zscore = ZScore.fit(np.array([[2.0, 10.0], [4.0, 10.0], [4.0, 40.0], [6.0, 40.0]]), ("a", "b"))

    assert zscore.mean.tolist() == [4.0, 25.0]
    assert zscore.std.tolist() == [2.0**0.5, 15.0]
    assert zscore.normalize(torch.tensor([[4.0, 40.0]])).tolist() == [[0.0, 1.0]]
    assert zscore.denormalize(torch.tensor([[0.0, -1.0]])).tolist() == [[4.0, 10.0]]


@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, 1e-300, -1e30])
@pytest.mark.parametrize("num_rows", [2, 10, 1001])
def test_a_constant_column_is_refused_by_name(value, num_rows):
    # The rounded mean of many 0.1 is not 0.1: a check of the standard deviation alone would let it pass.
    table_NF = np.column_stack([np.arange(num_rows), np.full(num_rows, value)])

    with pytest.raises(ValueError, match=r"column rooms is constant .* Remove it"):
        ZScore.fit(table_NF, ("income", "rooms"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_column_name(value):
    with pytest.raises(ValueError, match="column rooms holds NaN or infinity"):
        ZScore.fit(np.array([[1.0, 2.0], [2.0, value]]), ("income", "rooms"))


@pytest.mark.parametrize("column", [[1e200, -1e200], [1e308, 1.1e308], [1e-200, 2e-200]])
def test_a_spread_beyond_float64_is_refused_by_column_name(column):
    with pytest.raises(ValueError, match="column rooms has a spread that float64 cannot hold"):
        ZScore.fit(np.column_stack([[1.0, 2.0], column]), ("income", "rooms"))


@pytest.mark.parametrize("num_rows", [0, 1])
def test_fewer_than_two_rows_are_refused(num_rows):
    with pytest.raises(ValueError, match=f"expected at least 2 rows to measure a spread, found {num_rows}"):
        ZScore.fit(np.ones((num_rows, 1)), ("income",))


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (3,), (3, 2, 1)])
def test_a_wrong_width_is_refused_with_the_expected_columns(shape):
    with pytest.raises(ValueError, match=r"expected rows of 2 columns \(income, rooms\), found shape"):
        ZScore.fit(np.ones(shape), ("income", "rooms"))


@pytest.mark.parametrize(
    ("mean", "std"),
    [([0.0], [0.0]), ([0.0], [-1.0]), ([np.nan], [1.0]), ([0.0], [np.inf]), ([0.0, 1.0], [1.0]), (0.0, 1.0)],
)
def test_statistics_that_cannot_normalise_are_refused(mean, std):
    with pytest.raises(ValueError, match="must be"):
        ZScore(torch.tensor(mean), torch.tensor(std))


@given(tables())
def test_scripted_and_traced_z_scores_equal_the_eager_ones(x_NF):
    zscore = ZScore.fit(x_NF, "abc")
    x = torch.from_numpy(x_NF)
    z = zscore.normalize(x)

    scripted = script(zscore)
    traced = torch.fx.symbolic_trace(zscore)

    assert torch.equal(scripted(x), z)
    assert torch.equal(scripted.denormalize(z), zscore.denormalize(z))
    assert torch.equal(traced(x), z)


def test_fitted_statistics_do_not_follow_the_tensors_they_were_made_of():
    mean, std = torch.tensor([1.0], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    zscore = ZScore(mean, std)

    mean += 1
    std += 1

    assert (zscore.mean.item(), zscore.std.item()) == (1.0, 2.0)


# ---- TrainingStats -------------------------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@st.composite
def any_stats(draw):
    names = draw(st.lists(st.text(max_size=20), min_size=1, max_size=8))

    def zscores(num):
        mean = draw(st.lists(finite, min_size=num, max_size=num))
        std = draw(st.lists(positive, min_size=num, max_size=num))
        return ZScore(torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))

    return TrainingStats(
        feature_names=tuple(names),
        features=zscores(len(names)),
        price=zscores(1),
        num_rows=draw(st.integers(2, 2**63)),
        data_digest=draw(st.text()),
        model_digest=draw(st.text()),
    )


def values(stats):
    """Every field, floats as hexadecimal: equal means equal to the bit."""
    return {
        field.name: [[number.hex() for number in buffer.tolist()] for buffer in (value.mean, value.std)]
        if isinstance(value := getattr(stats, field.name), ZScore)
        else value
        for field in fields(stats)
    }


@given(stats=any_stats())
def test_saved_statistics_come_back_to_the_bit(tmp_path_factory, stats):
    path = tmp_path_factory.mktemp("stats") / "training_stats.pt"

    stats.save(path)

    assert values(TrainingStats.load(path)) == values(stats)


def test_golden_statistics_of_version_1_stay_readable():
    stats = TrainingStats.load(GOLDEN)

    assert stats.feature_names == ("income", "house_age", "rooms", "bedrooms", "population")
    assert stats.features.mean.tolist() == [65536, 4, 8, 4, 32768]
    assert stats.features.std.tolist() == [8192, 1, 2, 1, 16384]
    assert stats.price.mean.tolist() == [1048576]
    assert stats.price.std.tolist() == [262144]
    assert stats.num_rows == 3600
    assert stats.data_digest == "golden data"
    assert stats.model_digest == "6b6654bec614b70752d222607463a7546652674faaccdc79a7f3620704eeff03"


@pytest.fixture
def record():
    """The golden file's content, as a dictionary to spoil."""
    return torch.load(GOLDEN, weights_only=True)


@pytest.mark.parametrize(
    "key",
    [
        "feature_names",
        "feature_mean",
        "feature_std",
        "target_mean",
        "target_std",
        "ddof",
        "num_rows",
        "data_digest",
        "model_digest",
    ],
)
def test_statistics_that_lack_a_part_are_refused(record, key, tmp_path):
    del record[key]
    torch.save(record, tmp_path / "training_stats.pt")

    with pytest.raises(ArtifactError, match=r"found a file that lacks some\. Train again") as error:
        TrainingStats.load(tmp_path / "training_stats.pt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ddof", 1),
        ("ddof", None),
        ("feature_names", list(FEATURES[:4])),
        ("feature_names", None),
        ("feature_mean", torch.zeros(4)),
        ("feature_mean", torch.full((5,), torch.nan)),
        ("feature_mean", [0.0] * 5),
        ("feature_std", torch.zeros(5)),
        ("target_mean", torch.zeros(2)),
        ("target_std", torch.tensor([torch.inf])),
        ("num_rows", "many"),
    ],
)
def test_statistics_with_a_wrong_part_are_refused(record, key, value, tmp_path):
    torch.save({**record, key: value}, tmp_path / "training_stats.pt")

    with pytest.raises(ArtifactError, match=r"Train again") as error:
        TrainingStats.load(tmp_path / "training_stats.pt")
    assert "\n" not in str(error.value)


def test_two_price_columns_are_refused(tmp_path):
    stats = TrainingStats.load(GOLDEN)
    two_prices = replace(stats, price=ZScore(torch.zeros(2), torch.ones(2)))
    two_prices.save(tmp_path / "training_stats.pt")

    with pytest.raises(ArtifactError, match="the price"):
        TrainingStats.load(tmp_path / "training_stats.pt")
