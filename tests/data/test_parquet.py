from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.data import load_dataset, make_houses
from pricebench.errors import DataError
from tests.data.reading import both_readers, load_whole_stream, refusal


def test_parquet_and_csv_of_the_same_table_are_the_same_dataset(tmp_path):
    houses = make_houses(500)
    houses.frame().to_parquet(tmp_path / "houses.parquet")
    houses.frame().to_csv(tmp_path / "houses.csv", index=False)

    assert load_dataset(tmp_path / "houses.parquet").digest() == houses.digest()
    assert load_dataset(tmp_path / "houses.csv").digest() == houses.digest()


def test_parquet_is_recognised_by_its_columns_too(tmp_path):
    california = pd.DataFrame(
        {
            "median_income": [8.3252],
            "housing_median_age": [41],
            "total_rooms": [880],
            "total_bedrooms": [129],
            "population": [322],
            "households": [126],
            "median_house_value": [452_600],
        }
    )
    california.to_parquet(tmp_path / "california.parquet")

    dataset = load_dataset(tmp_path / "california.parquet")

    np.testing.assert_allclose(dataset.features_NF, [[83252.0, 41.0, 6.98412698, 1.02380952, 322.0]], rtol=1e-8)


def write_parquet(path, income):
    houses = pa.Table.from_pandas(make_houses(3).frame())
    pq.write_table(houses.set_column(0, "income", pa.array(income)), path)


PARQUET_COLUMNS = {
    "float64": pa.array([1.5, None, 3.0]),
    "NaN": pa.array([1.5, float("nan"), 3.0]),
    "float32": pa.array([1.5, None, 3.0], pa.float32()),
    "integer": pa.array([1, None, 3]),
    "decimal": pa.array([1, None, 3], pa.decimal128(20, 2)),
    "text": pa.array(["1.5", None, " 3 "]),
    "text with a missing word": pa.array(["1.5", "NA", "3e0"]),
    "large text": pa.array(["1.5", "", "3"], pa.large_string()),
    "view of text": pa.array(["1.5", "", "3"], pa.string_view()),
}


@both_readers
@pytest.mark.parametrize("income", PARQUET_COLUMNS.values(), ids=PARQUET_COLUMNS)
def test_parquet_column_may_be_any_kind_of_number(read, income, tmp_path):
    write_parquet(tmp_path / "houses.parquet", income)

    table = read(tmp_path / "houses.parquet")

    if read is load_dataset:
        assert table.num_dropped == 1
        assert table.features_NF[1, 0] == 3.0
    else:
        assert np.isnan(table[0].features_NF[1]).all()
        assert table[0].features_NF[2, 0] == 3.0


REFUSED_PARQUET = {
    "text": (["1", "2", "abc"], "row 3: income is 'abc', expected a number"),
    "negative": ([1.0, 2.0, -3.0], "row 3: income is -3, expected a finite number above 0"),
    "infinite": ([1.0, math.inf, 3.0], "row 2: income is inf"),
    "truth": ([True, False, True], "column 'income' holds bool, expected numbers"),
    "dates": ([dt.date(2020, 1, 1)] * 3, "column 'income' holds date32"),
    "list": ([[1.0], [2.0], [3.0]], "column 'income' holds list"),
}


@both_readers
@pytest.mark.parametrize(("income", "says"), REFUSED_PARQUET.values(), ids=REFUSED_PARQUET)
def test_bad_parquet_column_is_refused(read, income, says, tmp_path):
    path = tmp_path / "houses.parquet"
    write_parquet(path, income)

    assert says in refusal(read, path)


@both_readers
def test_parquet_without_rows_is_refused(read, tmp_path):
    path = tmp_path / "houses.parquet"
    make_houses(3).frame().head(0).to_parquet(path)

    assert "found none" in refusal(read, path)


def test_parquet_column_without_a_single_value_leaves_no_complete_row(tmp_path):
    path = tmp_path / "houses.parquet"
    write_parquet(path, [None, None, None])

    assert "found 3, each with a missing value" in refusal(load_dataset, path)


@given(st.data())
def test_truncated_or_altered_parquet_is_read_or_refused_in_one_line(folder, data):
    path = folder / "damaged.parquet"
    make_houses(50).frame().to_parquet(path)
    content = bytearray(path.read_bytes())
    del content[data.draw(st.integers(4, len(content))) :]
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(b"PAR1" + content[4:])

    for read in (load_dataset, load_whole_stream):
        try:
            read(path)
        except DataError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - a refusal is one of two right answers
