from __future__ import annotations

import io

import pandas as pd
import pytest

from pricebench.dashboard.uploads import price_upload
from pricebench.data import make_houses
from pricebench.errors import DataError
from pricebench.serving import Predictor


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
