"""Tables that were made for a test: what is read, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pricebench.data import HEADERS, load_dataset, stream_features
from tests.data.reading import ADDRESSED, CANONICAL, GOOD, both_readers, lines, refusal

CENSUS = (
    "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,"
    "median_income,median_house_value,ocean_proximity"
)


@pytest.fixture
def write(tmp_path):
    def write(content, name="houses.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# ---- the headers ---------------------------------------------------------------------------------------------------


def test_canonical_columns_are_taken_as_they_are(write):
    path = write(lines(CANONICAL, "68000.5,5.5,7.1,4.2,36000,1200000", "50000,0,6,3,1,15000.25"))

    dataset = load_dataset(path)

    assert dataset.name == "houses.csv"
    assert dataset.header == "canonical"
    assert dataset.features_NF.tolist() == [[68000.5, 5.5, 7.1, 4.2, 36000.0], [50000.0, 0.0, 6.0, 3.0, 1.0]]
    assert dataset.price_N.tolist() == [1_200_000.0, 15_000.25]
    assert dataset.num_dropped == 0


def test_columns_are_found_by_name_in_any_order(write):
    path = write(lines("note,price,population,bedrooms,rooms,house_age,income", "x,6,5,4,3,2,1"))

    dataset = load_dataset(path)

    assert dataset.features_NF.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert dataset.price_N.tolist() == [6.0]


def test_usa_housing_is_read_past_addresses_that_hold_newlines(write):
    header = (
        "Avg. Area Income,Avg. Area House Age,Avg. Area Number of Rooms,Avg. Area Number of Bedrooms,"
        "Area Population,Price,Address"
    )
    # The first row of Kaggle's file.
    first = '79545.45857431678,5.682861321615587,7.009188142792237,4.09,23086.800502686456,1059033.5578701235,"208 \
Michael Ferry Apt. 674\nLaurabury, NE 37010-5101"'

    dataset = load_dataset(write(lines(header, first, first)))

    assert dataset.header == "USA_Housing"
    assert (
        dataset.features_NF.tolist()
        == [[79545.45857431678, 5.682861321615587, 7.009188142792237, 4.09, 23086.800502686456]] * 2
    )
    assert dataset.price_N.tolist() == [1059033.5578701235] * 2


def test_california_per_block_becomes_ratios_per_household_as_scikit_learn_publishes_them(write):
    path = write(lines(CENSUS, "-122.23,37.88,41.0,880.0,129.0,322.0,126.0,8.3252,452600.0,NEAR BAY"))

    dataset = load_dataset(path)

    assert dataset.header == "California (per block)"
    # The first row of scikit-learn's data set: AveRooms 6.98412698, AveBedrms 1.02380952.
    np.testing.assert_allclose(dataset.features_NF, [[83252.0, 41.0, 6.98412698, 1.02380952, 322.0]], rtol=1e-8)
    assert dataset.price_N.tolist() == [452_600.0]


def test_block_without_total_bedrooms_is_dropped_and_counted_not_filled(write):
    complete = "-122.23,37.88,41,880,129,322,126,8.3252,452600,NEAR BAY"
    path = write(lines(CENSUS, complete, "-122.22,37.86,21,7099,,2401,1138,8.3014,358500,NEAR BAY", complete))

    dataset = load_dataset(path)

    assert dataset.num_rows == 2
    assert dataset.num_dropped == 1
    assert dataset.features_NF[:, 1].tolist() == [41.0, 41.0]


def test_scikit_learns_columns_are_in_tens_and_hundreds_of_thousands_of_dollars(write):
    path = write(
        lines(
            "MedInc,HouseAge,AveRooms,AveBedrms,Population,AveOccup,Latitude,Longitude,MedHouseVal",
            "8.3252,41.0,6.98412698,1.02380952,322.0,2.55555556,37.88,-122.23,4.526",
        )
    )

    dataset = load_dataset(path)

    assert dataset.header == "California (scikit-learn)"
    np.testing.assert_allclose(dataset.features_NF, [[83252.0, 41.0, 6.98412698, 1.02380952, 322.0]], rtol=1e-15)
    np.testing.assert_allclose(dataset.price_N, [452_600.0], rtol=1e-15)


@both_readers
@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
@pytest.mark.parametrize("respelled", [str.upper, str.lower, "  {} ".format, "\t{}".format])
def test_names_are_recognised_with_blanks_around_them_and_in_another_case(read, header, respelled, write):
    names = (*header.feature_columns, header.target_column)
    row = ",".join(str(number) for number in range(1, len(names) + 1))
    as_written, otherwise = (
        read(write(lines(",".join(spelled), row), name=name))
        for name, spelled in (("a.csv", names), ("b.csv", map(respelled, names)))
    )
    if read is load_dataset:
        assert otherwise.header == header.name
        assert otherwise.price_N.tolist() == as_written.price_N.tolist()
        assert otherwise.features_NF.tolist() == as_written.features_NF.tolist()
    else:
        assert [b.features_NF.tolist() for b in otherwise] == [b.features_NF.tolist() for b in as_written]


# ---- what is read though it looks unusual --------------------------------------------------------------------------

READ = {
    "byte order mark": b"\xef\xbb\xbf" + lines(CANONICAL, GOOD).encode(),
    "byte order mark and quoted name": b"\xef\xbb\xbf" + lines('"income"' + CANONICAL[6:], GOOD).encode(),
    "CRLF": lines(CANONICAL, GOOD).replace("\n", "\r\n"),
    "no newline at the end": f"{CANONICAL}\n{GOOD}",
    "blank lines": lines(CANONICAL, "", "", GOOD, "", ""),
    "blank lines and CRLF": lines(CANONICAL, "", GOOD, "").replace("\n", "\r\n"),
    "blank lines above the header": lines("", "", CANONICAL, GOOD),
    "blanks around a number": lines(CANONICAL, GOOD.replace("68000.5", " 68000.5\t")),
    "blanks inside quotes": lines(CANONICAL, GOOD.replace("68000.5", '" 68000.5 "')),
    "exponent": lines(CANONICAL, GOOD.replace("68000.5", "6.80005E+04")),
    "plus": lines(CANONICAL, GOOD.replace("68000.5", "+68000.5")),
    "leading zeros": lines(CANONICAL, GOOD.replace("68000.5", "00068000.5")),
    "everything quoted": lines(*(f'"{line}"' for line in (CANONICAL, GOOD))).replace(",", '","'),
    "newline in a column's name": lines(CANONICAL + ',"ad\ndress"', GOOD + ",x"),
    "carriage return in a quoted cell": lines(CANONICAL + ",address", GOOD + ',"1 Street\rTown"'),
    "quoted cell that ends in a comma": lines(CANONICAL + ",address", GOOD + ',"1 Street,"'),
    "header of 100 kB": lines("".join(f"column_{i:05}," for i in range(8000)) + CANONICAL, "1," * 8000 + GOOD),
}


@both_readers
@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_unusual_but_sound_file_is_read(read, content, write):
    table = read(write(content))

    (features_NF,) = (batch.features_NF for batch in ([table] if read is load_dataset else table))
    assert features_NF.tolist() == [[68000.5, 5.5, 7.1, 4.2, 36000.0]]


def test_carriage_return_and_line_feed_may_stand_on_both_sides_of_the_part_that_is_read_first(write):
    header, row = CANONICAL + ",address\r\n", GOOD + ",x\r\n"
    filler = GOOD + "," + "x" * ((1 << 20) - len(header) - len(GOOD) - 2) + "\r\n"
    content = (header + filler + row).encode()
    assert content[(1 << 20) - 1 : (1 << 20) + 1] == b"\r\n"

    assert load_dataset(write(content)).num_rows == 2


def test_file_is_read_by_what_it_holds_not_by_what_it_is_called(write):
    assert load_dataset(write(lines(CANONICAL, GOOD), name="houses.csv.gz")).num_rows == 1


@pytest.mark.parametrize(
    "word", ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", '""', '"NA"']
)
def test_words_for_a_missing_value_drop_the_row(word, write):
    path = write(lines(CANONICAL, GOOD, f"50000,6,{word},3,30000,1000000", GOOD))

    dataset = load_dataset(path)
    (batch,) = stream_features(path)

    assert (dataset.num_rows, dataset.num_dropped) == (2, 1)
    assert np.isnan(batch.features_NF).all(axis=1).tolist() == [False, True, False]


def test_missing_price_drops_the_row(write):
    dataset = load_dataset(write(lines(CANONICAL, GOOD, "50000,6,7,3,30000,")))

    assert (dataset.num_rows, dataset.num_dropped) == (1, 1)


# ---- what is refused -----------------------------------------------------------------------------------------------


def row_with(cell):
    return lines(CANONICAL, GOOD, GOOD.replace("68000.5", cell), GOOD)


# name: (content, what the message says)
REFUSED = {
    "empty": (b"", ["empty file", "Give a file with data"]),
    "blank lines only": ("\n\n", ["blank lines"]),
    "header only": (lines(CANONICAL), ["expected rows", "found none"]),
    "header without newline": (CANONICAL, ["expected rows", "found none"]),
    "header and blank lines": (lines(CANONICAL, "", ""), ["expected rows", "found none"]),
    "UTF-16": (lines(CANONICAL, GOOD).encode("utf-16"), ["UTF-16", "Save it again as UTF-8"]),
    "UTF-16 without mark": (lines(CANONICAL, GOOD).encode("utf-16-le"), ["binary"]),
    "UTF-32": (lines(CANONICAL, GOOD).encode("utf-32-be"), ["binary"]),
    "old Macintosh lines": (lines(CANONICAL, GOOD).replace("\n", "\r"), ["lone CR", "LF"]),
    "HTML": ("<!DOCTYPE html>\n<html>", ["header", "<!DOCTYPE", "HTML", "Download"]),
    "HTML after blanks": ("\n  <html><body>", ["header", "HTML"]),
    "binary": (bytes(range(256)), ["binary"]),
    "semicolons": (lines(CANONICAL, GOOD).replace(",", ";"), ["header", "semicolons", "commas"]),
    "tabs": (lines(CANONICAL, GOOD).replace(",", "\t"), ["header", "tabs", "commas"]),
    "no line end in a MiB": ("x" * (1 << 20), ["header", "no line end"]),
    "open quote in the header": (lines('"' + CANONICAL, GOOD), ["header", "quote"]),
    "header in Latin-1": (lines(CANONICAL + ",café", GOOD + ",1").encode("latin-1"), ["header", "caf", "UTF-8"]),
    "duplicate column": (lines("income," + CANONICAL, "1," + GOOD), ["header", "'income'", "2 times", "rename"]),
    "duplicate name with newline": (lines(CANONICAL + ',"a\nb","a\nb"', GOOD + ",1,1"), ["header", "2 times"]),
    "foreign columns": (lines("a,b", "1,2"), ["header", "lacks income, house_age", "'a', 'b'", "Rename"]),
    "foreign names with newlines": (lines('"a\nb",c', "1,2"), ["header", "'a?b', 'c'"]),
    "one column short": (
        lines(CANONICAL.replace("rooms,", "", 1), "1,2,3,4,5"),
        ["header", "nearest is canonical, which lacks rooms."],
    ),
    "two spellings of a name": (lines(CANONICAL + ", Income", GOOD + ",1"), ["'income' stands 2 times", "rename"]),
    "quote as the last byte": (
        lines(CANONICAL, GOOD) + GOOD.rpartition(",")[0] + ',"',
        ["row 2", "expected a closing quote, found the file's end"],
    ),
    "text": (row_with("abc"), ["row 2: income is 'abc'", "expected a number", "Fix the row or drop it"]),
    "blank cell": (row_with(" "), ["row 2: income is ' '", "expected a number"]),
    "underscore": (row_with("1_000"), ["row 2: income is '1_000'", "expected a number"]),
    "decimal comma": (row_with('"1,5"'), ["row 2: income is '1,5'", "expected a number"]),
    "thousands": (row_with('"1,000.5"'), ["row 2: income is '1,000.5'", "expected a number"]),
    "hexadecimal": (row_with("0x10"), ["row 2: income is '0x10'", "expected a number"]),
    "digits of another script": (row_with("१२"), ["row 2: income is '१२'", "expected a number"]),
    "no-break space": (row_with("\u00a012"), ["row 2: income is '?12'", "expected a number"]),
    "minus sign of print": (row_with("\u221212"), ["row 2: income is '\u221212'", "expected a number"]),
    "dollars": (row_with("$5"), ["row 2: income is '$5'", "expected a number"]),
    "form feed": (row_with("\f12"), ["row 2: income is '?12'", "expected a number"]),
    "newline in a number": (row_with('"12\n.5"'), ["row 2: income is '12?.5'", "expected a number"]),
    "long text": (row_with("x" * 1000), ["row 2: income is 'xxx", "...'", "expected a number"]),
    "text after -nan": (
        lines(CANONICAL, GOOD.replace("68000.5", "-nan"), GOOD.replace("7.1", "x")),
        ["row 2: rooms is 'x'"],
    ),
    "inf": (row_with("inf"), ["row 2: income is inf", "finite"]),
    "inf with blanks": (row_with(" -Infinity "), ["row 2: income is -inf", "finite"]),
    "1e400": (row_with("1e400"), ["row 2: income is inf", "finite"]),
    "negative": (row_with("-1234567.8"), ["row 2: income is -1234567.8", "above 0 (USD a year)", "Fix the row"]),
    "zero": (row_with("-0.0"), ["row 2: income is -0", "above 0"]),
    "negative age": (lines(CANONICAL, GOOD.replace("5.5", "-5.5")), ["row 1: house_age is -5.5", "at least 0 (years)"]),
    "too few cells": (lines(CANONICAL, GOOD, "1,2,3", GOOD), ["row 2", "expected 6 columns", "found 3"]),
    "too many cells": (lines(CANONICAL, GOOD, GOOD + ",9", GOOD), ["row 2", "expected 6 columns", "found 7"]),
    "blanks as a row": (lines(CANONICAL, GOOD, "  ", GOOD), ["row 2", "expected 6 columns", "found 1"]),
    "too few after blank lines": (lines(CANONICAL, "", GOOD, "", "1,2"), ["row 2", "found 2"]),
    "open quote": (lines(CANONICAL, GOOD, '"' + GOOD, GOOD), ["row 2", "quote"]),
    "open quote, closed by the next": (
        ADDRESSED.replace('Town"', "Town", 1),
        ["row 2", "Is a quote left open, here or above?"],
    ),
    "open quote to the end": (
        ADDRESSED + lines(GOOD + ',"1 Street', GOOD + ",2 Street"),
        ["row 4", "expected a closing quote, found the file's end"],
    ),
    "open quote to the end of 2 MiB": (
        ADDRESSED + GOOD + ',"1 Street\n' + lines(GOOD + ",2 Street") * 50_000,
        ["row 4", "quote"],
    ),
    "invalid UTF-8 in a number": (row_with("12?").encode().replace(b"?", b"\xff"), ["row 2: income is '12?'"]),
    "zero households": (
        lines(CENSUS, "-122.23,37.88,41,880,129,322,0,8.3252,452600,NEAR BAY"),
        ["row 1: households is 0", "above 0"],
    ),
    "zero rooms in zero households": (
        lines(CENSUS, "-122.23,37.88,41,0,0,322,0,8.3252,452600,NEAR BAY"),
        ["row 1: households is 0", "above 0"],
    ),
    "negative rooms in negative households": (
        lines(CENSUS, "-122.23,37.88,41,-880,-129,322,-126,8.3252,452600,NEAR BAY"),
        ["row 1: households is -126", "above 0"],
    ),
    "zero rooms": (
        lines(CENSUS, "-122.23,37.88,41,0,129,322,126,8.3252,452600,NEAR BAY"),
        ["row 1: rooms is 0 (from total_rooms=0, households=126)"],
    ),
    "ratio that overflows": (
        lines(CENSUS, "-122.23,37.88,41,1e300,129,322,1e-300,8.3252,452600,NEAR BAY"),
        ["row 1: rooms is inf (from total_rooms=1e+300, households=1e-300)", "finite"],
    ),
    "income that overflows": (
        lines("MedInc,HouseAge,AveRooms,AveBedrms,Population,MedHouseVal", "1e306,41,7,1,322,4.5"),
        ["row 1: income is inf (from MedInc=1e+306)", "finite"],
    ),
    "truncated Parquet": (b"PAR1" + bytes(40), ["Parquet", "cannot be read", "Write it again"]),
    "text that begins like Parquet": (b"PAR1,a\n1,2\n", ["Parquet", "cannot be read"]),
}


@both_readers
@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_bad_file_is_refused_in_one_line_that_says_what_and_where(read, content, says, write):
    message = refusal(read, write(content))

    for words in says:
        assert words in message


# name: (content, what the message says); `stream_features` needs no price
REFUSED_PRICES = {
    "quote too many at the end": (lines(CANONICAL, GOOD) + GOOD + '"', ["row 2: price is", "Is a quote left open"]),
    "open quote before the end": (lines(CANONICAL, GOOD, GOOD[:-1] + '"""9', GOOD), ["row 2", "Is a quote left open"]),
    "no price": (lines(CANONICAL.replace(",price", ""), "1,2,3,4,5"), ["header", "lacks price"]),
    "negative": (lines(CANONICAL, GOOD, GOOD.replace("1200000", "-5")), ["row 2: price is -5", "above 0 (USD)"]),
    "text": (lines(CANONICAL, GOOD, GOOD.replace("1200000", "much")), ["row 2: price is 'much'"]),
    "negative in 1e5 USD": (
        lines("MedInc,HouseAge,AveRooms,AveBedrms,Population,MedHouseVal", "8,41,7,1,322,-2.5"),
        ["row 1: price is -250000 (from MedHouseVal=-2.5)"],
    ),
    "overflow": (
        lines("MedInc,HouseAge,AveRooms,AveBedrms,Population,MedHouseVal", "8,41,7,1,322,1e306"),
        ["row 1: price is inf (from MedHouseVal=1e+306)"],
    ),
    "all rows missing": (lines(CANONICAL, *[",,,,,"] * 3), ["found 3, each with a missing value"]),
}


@pytest.mark.parametrize(("content", "says"), REFUSED_PRICES.values(), ids=REFUSED_PRICES)
def test_bad_price_is_refused(content, says, write):
    message = refusal(load_dataset, write(content))

    for words in says:
        assert words in message


@both_readers
def test_directory_is_refused(read, tmp_path):
    assert "found a directory. Name the file inside it." in refusal(read, tmp_path)


@both_readers
def test_missing_file_is_refused(read, tmp_path):
    assert "No such file" in refusal(read, tmp_path / "houses.csv")


@both_readers
def test_path_that_is_too_long_is_refused(read, tmp_path):
    assert "Check the path." in refusal(read, tmp_path / ("x" * 5000))


@both_readers
@pytest.mark.skipif(os.name != "posix", reason="devices are files on POSIX only")
def test_device_is_refused(read):
    assert "found a pipe or device" in refusal(read, Path(os.devnull))


LARGE = 60_000  # rows of 34 bytes and more: several of Arrow's blocks of 1 MiB

WRONG_ROWS = {
    "text": (GOOD.replace("5.5", "abc"), "house_age is 'abc'"),
    "negative": (GOOD.replace("5.5", "-3.25"), "house_age is -3.25"),
    "too few cells": ("1,2", "found 2"),
}


@both_readers
@pytest.mark.parametrize(("wrong", "says"), WRONG_ROWS.values(), ids=WRONG_ROWS)
@pytest.mark.parametrize("street", ["", ',"1 Street\nTown"'], ids=["plain", "quoted newlines"])
def test_row_number_is_right_far_into_a_large_file(read, wrong, says, street, write):
    header = CANONICAL + (",address" if street else "")
    rows = lines(GOOD + street) * LARGE
    path = write(lines(header) + rows + lines(wrong + (street if wrong != "1,2" else "")) + rows)

    message = refusal(read, path)

    assert f"row {LARGE + 1}:" in message
    assert says in message


def test_quoted_newlines_are_seen_behind_blocks_without_a_quote(tmp_path):
    # The search goes backwards in blocks of 256 KiB; Arrow parses blocks of 1 MiB, one of which ends in a quoted cell.
    quoted = '60000,5,6,3,20000,950000,"' + "\n" * 100 + '"\n'
    plain = "50000,5,6,3,20000,900000,somewhere\n"
    path = tmp_path / "houses.csv"
    path.write_text(f"{CANONICAL},address\n" + quoted * 20_000 + plain * 20_000)

    houses = load_dataset(path)

    assert houses.num_rows == 40_000
    assert houses.price_N.sum() == 20_000 * (950_000 + 900_000)
