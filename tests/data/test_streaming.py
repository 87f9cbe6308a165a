from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pricebench.data import load_dataset, make_houses, stream_features
from pricebench.errors import DataError

HEADER = "income,house_age,rooms,bedrooms,population"
GOOD = "68000.5,5.5,7.1,4.2,36000"


def write(tmp_path, *rows, header=HEADER):
    path = tmp_path / "houses.csv"
    path.write_text("".join(f"{row}\n" for row in (header, *rows)), encoding="utf-8")
    return path


def test_price_is_not_needed_and_not_looked_at(tmp_path):
    path = write(tmp_path, GOOD + ",unknown", header=HEADER + ",price")

    (batch,) = stream_features(path)

    assert batch.features_NF.tolist() == [[68000.5, 5.5, 7.1, 4.2, 36000.0]]


def test_batches_hold_consecutive_rows_and_say_where_they_begin(tmp_path):
    houses = make_houses(2000)
    path = tmp_path / "houses.csv"
    houses.frame().to_csv(path, index=False)

    batches = list(stream_features(path, batch_bytes=10_000))

    assert len(batches) > 10
    np.testing.assert_array_equal(np.concatenate([batch.features_NF for batch in batches]), houses.features_NF)
    ends = np.cumsum([len(batch.features_NF) for batch in batches])
    assert [batch.first_row for batch in batches] == [1, *(ends[:-1] + 1)]


def test_batch_size_bounds_the_rows_that_are_held_at_once(tmp_path):
    path = tmp_path / "houses.csv"
    make_houses(2000).frame().to_csv(path, index=False)
    num_bytes = path.stat().st_size

    largest = max(len(batch.features_NF) for batch in stream_features(path, batch_bytes=num_bytes // 20))

    # Some rows are a few digits shorter than others.
    assert largest < 2000 // 20 * 1.2


def test_source_columns_come_along_as_they_were_written(tmp_path):
    rows = [
        ["  68000.50", "5.5", "7.10", "+4.2", "3.6e4", "12 Main St\nTown, NE", ""],
        ["NA", "", *"345", 'say "x"', "-"],
    ]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([[*HEADER.split(","), "address", "note"], *rows])
    path = tmp_path / "houses.csv"
    path.write_text(buffer.getvalue(), encoding="utf-8")

    (batch,) = stream_features(path)

    assert batch.table.schema.names == [*HEADER.split(","), "address", "note"]
    assert [list(row.values()) for row in batch.table.to_pylist()] == rows


def test_row_with_a_missing_feature_is_kept_as_not_a_number(tmp_path):
    (batch,) = stream_features(write(tmp_path, GOOD, "50000,,7,3,30000", GOOD))

    assert np.isnan(batch.features_NF).tolist() == [[False] * 5, [True] * 5, [False] * 5]


def test_census_block_without_total_bedrooms_is_kept_as_not_a_number(tmp_path):
    header = "median_income,housing_median_age,total_rooms,total_bedrooms,population,households"

    (batch,) = stream_features(write(tmp_path, "8,41,880,,322,126", "8,41,880,129,322,126", header=header))

    assert np.isnan(batch.features_NF[0]).all()
    np.testing.assert_allclose(batch.features_NF[1], [80_000, 41, 880 / 126, 129 / 126, 322])


def test_blocks_of_blank_lines_are_no_batches(tmp_path):
    path = write(tmp_path, *[""] * 2000, GOOD, *[""] * 2000, GOOD, *[""] * 2000)

    batches = list(stream_features(path, batch_bytes=100))

    assert [(batch.first_row, len(batch.features_NF)) for batch in batches] == [(1, 1), (2, 1)]


def test_rows_before_the_wrong_one_are_delivered(tmp_path):
    path = write(tmp_path, *[GOOD] * 100, GOOD.replace("5.5", "abc"))
    delivered = []

    def deliver():
        for batch in stream_features(path, batch_bytes=500):
            delivered.extend(batch.features_NF)

    with pytest.raises(DataError, match="row 101: house_age is 'abc'"):
        deliver()

    assert 80 < len(delivered) <= 100


def test_nothing_is_read_before_the_first_batch_is_wanted(tmp_path):
    stream = stream_features(tmp_path / "houses.csv")
    write(tmp_path, GOOD)

    assert len(list(stream)) == 1


def test_text_that_is_no_utf8_is_refused_where_all_columns_are_handed_on(tmp_path):
    path = tmp_path / "houses.csv"
    rows = f"{GOOD},1200000,Caf\n" * 2
    path.write_bytes(f"{HEADER},price,address\n{rows}{GOOD},1200000,".encode() + b"caf\xe9\n")

    with pytest.raises(DataError, match=r"houses.csv, row 3: address is 'caf\?', expected UTF-8") as raised:
        list(stream_features(path))

    assert "\n" not in str(raised.value)
    # Loading looks at the columns that it needs only.
    assert load_dataset(path).num_rows == 3


def test_wide_row_that_no_block_can_hold_is_refused(tmp_path):
    path = write(tmp_path, GOOD + ",x", GOOD + "," + "x" * 3_000_000, header=HEADER + ",address")

    with pytest.raises(DataError, match=r"houses.csv, row 2: .* characters"):
        list(stream_features(path))


def test_parquet_streams_in_batches_with_row_numbers(tmp_path):
    path = tmp_path / "houses.parquet"
    houses = make_houses(1000)
    houses.frame().to_parquet(path)

    batches = list(stream_features(path, batch_bytes=100 * 6 * 8))

    assert [batch.first_row for batch in batches] == list(range(1, 1001, 100))
    np.testing.assert_array_equal(np.concatenate([batch.features_NF for batch in batches]), houses.features_NF)


def test_wrong_value_deep_in_a_parquet_file_is_named_with_its_row(tmp_path):
    path = tmp_path / "houses.parquet"
    table = pa.Table.from_pandas(make_houses(1000).frame())
    rooms = ["7.5"] * 700 + ["many"] + ["7.5"] * 299
    pq.write_table(table.set_column(2, "rooms", pa.array(rooms)), path, row_group_size=300)

    with pytest.raises(DataError, match=r"houses\.parquet, row 701: rooms is 'many', expected a number"):
        list(stream_features(path, batch_bytes=100 * 6 * 8))


def test_parquet_columns_that_are_not_features_come_along(tmp_path):
    path = tmp_path / "houses.parquet"
    make_houses(2).frame().assign(id=[7, 8]).to_parquet(path)

    (batch,) = stream_features(path)

    assert batch.table.column("id").to_pylist() == [7, 8]
