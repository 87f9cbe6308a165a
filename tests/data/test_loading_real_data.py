"""The real files, where they are there: rows, means and the fit that was published of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from pricebench.data import load_dataset, stream_features


def test_usa_housing_has_the_published_means(real_data):
    dataset = load_dataset(real_data / "USA_Housing.csv")

    assert (dataset.num_rows, dataset.num_dropped) == (5000, 0)
    means = [68583.109, 5.977222, 6.987792, 3.981330, 36163.516]
    np.testing.assert_allclose(dataset.features_NF.mean(axis=0), means, rtol=1e-7)
    np.testing.assert_allclose(dataset.price_N.mean(), 1_232_072.65, rtol=1e-8)
    np.testing.assert_allclose(dataset.price_N.std(ddof=1), 353_117.627, rtol=1e-8)


def test_california_keeps_the_complete_rows_and_their_published_fit(real_data):
    dataset = load_dataset(real_data / "california_housing.csv")

    assert (dataset.num_rows, dataset.num_dropped) == (20_433, 207)
    np.testing.assert_allclose(dataset.features_NF[:, 3].mean(), 1.097062, rtol=1e-6)
    fit = LinearRegression().fit(dataset.features_NF, dataset.price_N)
    predicted = fit.predict(dataset.features_NF)
    assert fit.score(dataset.features_NF, dataset.price_N) == pytest.approx(0.538168, abs=1e-6)
    assert root_mean_squared_error(dataset.price_N, predicted) == pytest.approx(78_446.12, abs=0.01)
    assert mean_absolute_error(dataset.price_N, predicted) == pytest.approx(57_486.72, abs=0.01)


@pytest.mark.parametrize("name", ["USA_Housing.csv", "california_housing.csv"])
def test_real_file_streams_to_the_rows_that_are_loaded(name, real_data):
    dataset = load_dataset(real_data / name)

    features_NF = np.concatenate([batch.features_NF for batch in stream_features(real_data / name, batch_bytes=50_000)])

    assert len(features_NF) == dataset.num_rows + dataset.num_dropped
    np.testing.assert_array_equal(features_NF[~np.isnan(features_NF).any(axis=1)], dataset.features_NF)
