from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricebench.data import FEATURES, make_houses
from pricebench.errors import DataError
from pricebench.serving import PRICE_COLUMN, Predictor, price_file
from tests.serving import untrained_artifacts

HEADER = ",".join(FEATURES)
HOUSE = "68000,6,7,4.1,36000"  # nothing about it is unusual


@pytest.fixture(scope="module")
def predictor():
    return Predictor(untrained_artifacts())


@pytest.fixture
def priced(predictor, tmp_path):
    """Price a file of the given content (text, bytes or a table); its report and the rows as csv reads them."""

    def price(content):
        source, sink = write(tmp_path, content), io.BytesIO()
        report = price_file(predictor, source, sink)
        text = sink.getvalue().decode()
        return report, list(csv.reader(io.StringIO(text, newline="")))

    return price


def write(folder, content):
    if isinstance(content, pa.Table):
        pq.write_table(content, folder / "houses.parquet")
        return folder / "houses.parquet"
    path = folder / "houses.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---- prices --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_rows", [1, 2, 2048, 30_000])
def test_every_row_gets_the_price_that_the_predictor_gives_it(predictor, priced, tmp_path, num_rows):
    # 30,000 rows are some 3 MB, read in several batches.
    houses = make_houses(num_rows, seed=2)
    houses.frame().to_csv(tmp_path / "houses.csv", index=False)

    report, (header, *rows) = priced((tmp_path / "houses.csv").read_bytes())

    written = np.array(rows, dtype=np.float64)
    assert report.num_rows == num_rows
    assert header == [*FEATURES, "price", PRICE_COLUMN]
    assert np.array_equal(written[:, :5], houses.features_NF)
    # Rounded to cents; and a row may share its padded chunk with others, which moves the last digit of float32.
    np.testing.assert_allclose(written[:, -1], predictor.predict(houses.features_NF), rtol=2.0**-22, atol=0.005)


def test_prices_are_in_cents(priced):
    _, (_, row) = priced(f"{HEADER}\n{HOUSE}\n")

    assert float(row[-1]) == round(float(row[-1]), 2)


def test_another_known_header_is_priced_in_its_own_units(predictor, priced):
    # California: income in ten thousand dollars, rooms and bedrooms per block of households.
    report, (header, row) = priced(
        "longitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,ocean_proximity\n"
        "-122.23,6,700,410,36000,100,6.8,NEAR BAY\n"
    )

    expected = predictor.predict(np.array([[68_000.0, 6, 7, 4.1, 36_000]]))[0]
    assert report.num_rows == 1
    assert header[-2:] == ["ocean_proximity", PRICE_COLUMN]
    assert row[:-1] == ["-122.23", "6", "700", "410", "36000", "100", "6.8", "NEAR BAY"]
    assert float(row[-1]) == pytest.approx(expected, abs=0.2)


# ---- the source's own cells ----------------------------------------------------------------------------------------

ADDRESS = '208 Michael Ferry Apt. 674\nLaurabury, NE 37010 "rear"'


def test_text_that_needs_quotes_survives(priced):
    quoted = '"' + ADDRESS.replace('"', '""') + '"'

    _, (header, *rows) = priced(f"{HEADER},Address\n{HOUSE},{quoted}\n{HOUSE},plain\n{HOUSE},\n")

    assert header == [*FEATURES, "Address", PRICE_COLUMN]
    assert [row[5] for row in rows] == [ADDRESS, "plain", ""]
    assert [row[:5] for row in rows] == [HOUSE.split(",")] * 3


def test_pandas_reads_what_was_written(predictor, tmp_path):
    frame = make_houses(5).frame().assign(Address=[ADDRESS, "a,b", "", "'", "é"])
    frame.to_csv(tmp_path / "houses.csv", index=False)
    sink = io.BytesIO()

    price_file(predictor, tmp_path / "houses.csv", sink)

    again = pd.read_csv(io.BytesIO(sink.getvalue()), keep_default_na=False)
    pd.testing.assert_frame_equal(again.drop(columns=PRICE_COLUMN), frame, check_dtype=False)


def test_numbers_look_as_they_did(priced):
    cells = ["6.80e4", "+6", "007.0", "4.10", "36000.0000000000000001"]

    _, (_, row) = priced(f"{HEADER}\n{','.join(cells)}\n")

    assert row[:-1] == cells


def test_a_byte_order_mark_and_crlf_do_not_become_part_of_cells(priced):
    _, (header, row) = priced(b"\xef\xbb\xbf" + f"{HEADER},note\r\n{HOUSE},x\r\n".encode())

    assert header[0] == "income"
    assert row[5] == "x"


def test_a_column_name_that_needs_quotes_survives(priced):
    _, (header, _) = priced(f'{HEADER},"note, ""very""\nlong"\n{HOUSE},x\n')

    assert header[5] == 'note, "very"\nlong'


# No NUL: a file that holds one is taken for binary data.
notes = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12), min_size=1, max_size=20
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=notes)
def test_any_text_comes_back(predictor, tmp_path, notes):
    source, sink = tmp_path / "houses.csv", io.BytesIO()
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
            [[*FEATURES, "note"], *([*HOUSE.split(","), note] for note in notes)]
        )

    price_file(predictor, source, sink)

    _, *rows = csv.reader(io.StringIO(sink.getvalue().decode(), newline=""))
    assert [row[5] for row in rows] == notes


# ---- rows that are special -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NULL"])
def test_a_row_with_a_missing_value_is_kept_without_a_price_and_counted(priced, missing):
    report, (_, *rows) = priced(f"{HEADER}\n{HOUSE}\n68000,{missing},7,4,36000\n{HOUSE}\n")

    assert (report.num_rows, report.num_missing, report.num_unfamiliar) == (3, 1, 0)
    assert rows[1] == ["68000", missing, "7", "4", "36000", ""]
    assert rows[0][-1] == rows[2][-1] != ""


def test_an_unfamiliar_house_is_priced_and_counted(priced):
    report, (_, *rows) = priced(f"{HEADER}\n{HOUSE}\n68000,60,7,4,36000\n1,60,700,4,36000\n")

    assert (report.num_rows, report.num_missing, report.num_unfamiliar) == (3, 0, 2)
    assert all(float(row[-1]) for row in rows)


def test_a_price_beyond_float32_is_said_to_be_no_number_and_not_to_be_missing(priced):
    report, (_, row) = priced(f"{HEADER}\n1e300,6,7,4,36000\n")

    assert (report.num_missing, report.num_unfamiliar) == (0, 1)
    assert row[-1] == "nan"


def test_counts_are_of_the_whole_file(predictor, tmp_path):
    # Every hundredth row lacks a value, every thousandth is unfamiliar instead; more than one batch.
    frame = make_houses(20_000).frame().astype({"rooms": object})
    frame.loc[::100, "rooms"] = ""
    frame.loc[::1000, "rooms"] = 99
    frame.to_csv(tmp_path / "houses.csv", index=False)
    familiar = predictor.distance_sd(make_houses(20_000).features_NF).max(axis=1) <= 4
    familiar[::100] = True

    report = price_file(predictor, tmp_path / "houses.csv", io.BytesIO())

    assert (report.num_rows, report.num_missing) == (20_000, 180)
    assert report.num_unfamiliar == 20 + np.count_nonzero(~familiar)


# ---- Parquet -------------------------------------------------------------------------------------------------------


def house_table(num_rows=3, **columns):
    houses = make_houses(num_rows, seed=2).features_NF
    return pa.table(dict(zip(FEATURES, houses.T, strict=True)) | columns)


def test_parquet_is_priced_and_its_numbers_come_out_to_the_bit(predictor, priced):
    houses = make_houses(20_000, seed=2).features_NF

    report, (header, *rows) = priced(house_table(20_000))

    written = np.array(rows, dtype=np.float64)
    assert report.num_rows == 20_000
    assert header == [*FEATURES, PRICE_COLUMN]
    assert np.array_equal(written[:, :-1], houses)
    np.testing.assert_allclose(written[:, -1], predictor.predict(houses), rtol=2.0**-22, atol=0.005)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.binary(),
        pa.large_binary(),
    ],
    ids=str,
)
def test_text_of_every_parquet_type_comes_out_as_text(priced, kind):
    text = ["a,b", 'say "x"', "line\nbreak"]

    _, (_, *rows) = priced(house_table(note=pa.array(text).cast(kind)))

    assert [row[5] for row in rows] == text


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (pa.array([1, None, 3]), ["1", "", "3"]),
        (pa.array([True, None, False]), ["true", "", "false"]),
        (pa.array(["x", None, "y"]), ["x", "", "y"]),
        (pa.array([0, 1, None], pa.date32()), ["1970-01-01", "1970-01-02", ""]),
        (pa.array(["1.20", None, "3.00"]).cast(pa.decimal128(5, 2)), ["1.20", "", "3.00"]),
        (pa.nulls(3), ["", "", ""]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_other_columns_of_parquet_come_out_readable(priced, values, cells):
    _, (_, *rows) = priced(house_table(extra=values))

    assert [row[5] for row in rows] == cells


@pytest.mark.parametrize(
    "values", [pa.array([[1], [2], [3]]), pa.array([{"a": 1}] * 3), pa.array([b"\xff"] * 3)], ids=lambda v: str(v.type)
)
def test_a_column_that_no_csv_cell_can_hold_is_refused_by_name(priced, values):
    with pytest.raises(DataError, match=r"houses\.parquet: column extra holds .*Drop the column") as error:
        priced(house_table(extra=values))
    assert "\n" not in str(error.value)


# ---- wrong files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_is_priced_already_is_refused(priced, kind):
    content = house_table(**{PRICE_COLUMN: [1, 2, 3]}) if kind == "parquet" else f"{HEADER},{PRICE_COLUMN}\n{HOUSE},1\n"

    with pytest.raises(DataError) as error:
        priced(content)

    assert str(error.value) == (
        f"houses.{kind}, header: has a column 'predicted_price' already, the name of the result. Rename it."
    )


@pytest.mark.parametrize(("cell", "says"), [("x", "rooms is 'x', expected a number"), ("-1", "rooms is -1, expected")])
@pytest.mark.parametrize("row", [1, 2, 90_000])
def test_a_wrong_cell_is_named_by_its_row_beyond_the_first_batch_too(priced, cell, says, row):
    rows = [HOUSE] * 100_000  # 2.2 MB; a batch is 1 MiB
    rows[row - 1] = HOUSE.replace(",7,", f",{cell},")

    with pytest.raises(DataError) as error:
        priced("\n".join([HEADER, *rows]))

    assert str(error.value).startswith(f"houses.csv, row {row}: {says}")


def test_what_was_priced_before_a_wrong_cell_is_in_the_sink(predictor, tmp_path):
    rows = [HOUSE] * 99_999
    source = write(tmp_path, "\n".join([HEADER, *rows, HOUSE.replace(",7,", ",x,")]))
    sink = io.BytesIO()

    with pytest.raises(DataError, match="row 100000"):
        price_file(predictor, source, sink)

    written = sink.getvalue().decode().splitlines()
    assert 10_000 < len(written) < 100_000
    assert all(line.count(",") == 5 for line in written)


def test_a_missing_column_is_refused(priced):
    with pytest.raises(DataError, match="lacks rooms"):
        priced("income,house_age,bedrooms,population\n1,1,1,1\n")


def test_a_header_without_houses_is_refused(priced):
    with pytest.raises(DataError, match="found none"):
        priced(f"{HEADER}\n")
