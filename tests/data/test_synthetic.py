from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from pricebench.data import FEATURES, make_houses

MANY = 200_000

# The published statistics of USA_Housing.csv: mean and standard deviation (ddof 1) of its 5,000 rows.
MOMENTS = {
    "income": (68_583.109, 10_657.991),
    "house_age": (5.977222, 0.991456),
    "rooms": (6.987792, 1.005833),
    "population": (36_163.516, 9_925.650),
}
# Least squares of price on the features over its 5,000 rows: coefficient and standard error.
SLOPES = {
    "income": (21.5780494, 0.1343),
    "house_age": (165_637.027, 1443),
    "rooms": (120_659.949, 1605),
    "bedrooms": (1_651.139, 1309),
    "population": (15.2007439, 0.1442),
}


@pytest.fixture(scope="module")
def many():
    return make_houses(MANY, seed=7).frame()


def test_default_houses_are_the_same_bits_for_ever():
    # Integer sums and single IEEE operations only, so this holds on every platform. A change starts a new history.
    assert make_houses().digest() == "0b578a71550df5062c3aa10100af7b1f2ca0d1cd63862eeb2206c11622dc9c50"


def test_default_is_five_thousand_rows_and_its_seed_can_be_said():
    assert make_houses().num_rows == 5000
    assert make_houses().digest() == make_houses(5000, seed=20_251).digest()


def test_houses_do_not_depend_on_what_was_generated_before():
    first = make_houses(100, seed=3).digest()
    make_houses(1000, seed=4)

    assert make_houses(100, seed=3).digest() == first


def test_seeds_differ():
    assert len({make_houses(10, seed=seed).digest() for seed in range(100)}) == 100


@pytest.mark.parametrize("num_rows", [1, 2, 65_535, 65_536, 65_537, 140_000])
def test_as_many_houses_come_as_were_asked_for(num_rows):
    houses = make_houses(num_rows)

    assert houses.num_rows == num_rows
    assert houses.features_NF.shape == (num_rows, 5)
    assert houses.num_dropped == 0


@pytest.mark.parametrize("num_rows", [0, -1])
def test_no_houses_are_refused(num_rows):
    with pytest.raises(ValueError, match="expected at least 1"):
        make_houses(num_rows)


def test_no_value_is_zero_or_negative_in_any_of_many_houses(many):
    assert (many > 0.0).all(axis=None)
    assert np.isfinite(many).all(axis=None)


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("num_rows", [5000, MANY])
def test_feature_has_the_published_mean_and_spread(name, num_rows, many):
    column = (make_houses().frame() if num_rows == 5000 else many)[name]
    mean, sd = MOMENTS[name]

    # Within four standard errors of a normal sample of this size.
    assert abs(column.mean() - mean) < 4 * sd / np.sqrt(num_rows)
    assert abs(column.std() - sd) < 4 * sd / np.sqrt(2 * num_rows)


@pytest.mark.parametrize("name", MOMENTS)
def test_feature_is_normal_but_for_the_tails(name, many):
    column = many[name]

    assert abs(stats.skew(column)) < 4 * np.sqrt(6 / MANY) + 0.005  # a few at the lower end were drawn again
    # Irwin and Hall: the excess kurtosis of a sum of n uniforms is -6/(5 n), here n = 48.
    assert abs(stats.kurtosis(column) + 6 / (5 * 48)) < 4 * np.sqrt(24 / MANY) + 0.01


def test_features_are_independent_but_for_rooms_and_bedrooms(many):
    correlation = many[list(FEATURES)].corr().to_numpy()
    expected = np.eye(5)
    rooms, bedrooms = FEATURES.index("rooms"), FEATURES.index("bedrooms")
    # 200 seeds of the reference generator: 0.482 with a standard deviation of 0.010 at 5,000 rows.
    expected[rooms, bedrooms] = expected[bedrooms, rooms] = 0.482

    np.testing.assert_allclose(correlation, expected, atol=4 / np.sqrt(MANY))


def test_bedrooms_are_whole_numbers_and_one_of_51_hundredths_that_step_at_seven_rooms(many):
    hundredths = np.rint(many["bedrooms"] * 100).astype(int)
    whole, part = hundredths // 100, hundredths % 100
    is_large = many["rooms"] >= 7

    np.testing.assert_allclose(many["bedrooms"], hundredths / 100, rtol=1e-15)
    assert set(part) == set(range(51))
    assert set(whole[~is_large]) == {2, 3, 4}
    assert set(whole[is_large]) == {3, 4, 5, 6}
    for counts in (part.value_counts(), whole[~is_large].value_counts(), whole[is_large].value_counts()):
        assert stats.chisquare(counts).pvalue > 1e-4


def test_default_price_has_the_published_statistics():
    houses = make_houses()
    fit = LinearRegression().fit(houses.features_NF, houses.price_N)
    predicted = fit.predict(houses.features_NF)

    # 200 seeds of the reference generator at 5,000 rows: mean and standard deviation of each statistic.
    found_and_expected = [
        (houses.price_N.mean(), 1_231_930, 5500),
        (houses.price_N.std(ddof=1), 356_830, 3320),
        (houses.frame()["bedrooms"].mean(), 3.992, 0.017),
        (houses.frame()["bedrooms"].std(), 1.241, 0.009),
        (fit.score(houses.features_NF, houses.price_N), 0.9196, 0.0023),
        (root_mean_squared_error(houses.price_N, predicted), 101_157, 1000),
        (mean_absolute_error(houses.price_N, predicted), 80_734, 860),
    ]
    assert [(found, mean) for found, mean, sd in found_and_expected if abs(found - mean) > 3 * sd] == []


def test_price_has_the_published_slopes(many):
    fit = LinearRegression().fit(many[list(FEATURES)].to_numpy(), many["price"].to_numpy())

    for slope, name in zip(fit.coef_, FEATURES, strict=True):
        expected, error_of_5000 = SLOPES[name]
        assert abs(slope - expected) < 4 * error_of_5000 * np.sqrt(5000 / MANY), name
    # The spread of the residuals of the 5,000 rows, 4,994 degrees of freedom.
    residual = many["price"] - fit.predict(many[list(FEATURES)].to_numpy())
    assert residual.std() == pytest.approx(101_153.41, rel=4 / np.sqrt(2 * MANY) + 1e-3)
