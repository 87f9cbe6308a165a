from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from pricebench.data import load_dataset, make_houses, train_test_split
from pricebench.training import RESIDUAL_LEVELS, linear_regression_score, residual_quantiles, score


@given(st.integers(0, 2**32 - 1), st.integers(2, 200))
def test_score_is_that_of_scikit_learn(seed, num_rows):
    generator = np.random.default_rng(seed)
    price = generator.normal(1e6, 3e5, num_rows)
    predicted = price + generator.normal(0, 1e5, num_rows)

    found = score(price, predicted)

    assert found.r2 == pytest.approx(r2_score(price, predicted))
    assert found.rmse == pytest.approx(root_mean_squared_error(price, predicted))
    assert found.mae == pytest.approx(mean_absolute_error(price, predicted))


def test_equal_prices_have_no_r2():
    assert np.isnan(score(np.full(3, 5.0), np.array([4.0, 5.0, 6.0])).r2)


def test_linear_baseline_is_that_of_scikit_learn():
    train, test = train_test_split(make_houses(), test_size=0.4, seed=101)
    model = LinearRegression().fit(train.features_NF, train.price_N)

    found = linear_regression_score(train, test)

    assert found.r2 == pytest.approx(model.score(test.features_NF, test.price_N), rel=1e-9)


def test_linear_baseline_gives_the_published_figures(real_data):
    # Ten public notebooks print these for USA_Housing.csv with test_size=.4, random_state=101.
    train, test = train_test_split(load_dataset(real_data / "USA_Housing.csv"), test_size=0.4, seed=101)

    found = linear_regression_score(train, test)

    assert found.mae == pytest.approx(82288.2225, abs=1e-3)
    assert found.rmse == pytest.approx(102278.8292, abs=1e-3)
    assert found.r2 == pytest.approx(0.917682, abs=1e-6)


def test_residuals_are_true_minus_predicted_at_the_levels_of_a_price_range():
    # 0 to 100 dollars above the prediction, a dollar apart: the quantile of a level is a hundred times the level.
    found = residual_quantiles(np.arange(101.0) + 1000.0, np.full(101, 1000.0))

    assert found == pytest.approx({"0.05": 5.0, "0.25": 25.0, "0.5": 50.0, "0.75": 75.0, "0.95": 95.0})


@given(st.integers(0, 2**32 - 1), st.integers(40, 2000))
def test_the_range_holds_nine_of_ten_of_its_own_houses(seed, num_rows):
    generator = np.random.default_rng(seed)
    price = generator.normal(1e6, 3e5, num_rows)
    predicted = price + generator.standard_t(3, num_rows) * 1e5

    found = residual_quantiles(price, predicted)

    assert tuple(map(float, found)) == RESIDUAL_LEVELS
    is_inside = (price >= predicted + found["0.05"]) & (price <= predicted + found["0.95"])
    # A quantile lies between two rows: at most one row at each end may fall out.
    assert abs(is_inside.sum() - 0.9 * num_rows) <= 2
