"""Tables that hypothesis makes and damages: pandas, the whole reader and the stream agree about them."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pricebench.data import FEATURES, load_dataset, stream_features
from pricebench.errors import DataError
from tests.data.reading import ADDRESSED, GOOD, lines, load_whole_stream, refusal

positive = st.floats(1e-3, 1e12)


@st.composite
def tables(draw):
    """A table of prices and features with gaps, and how it is written."""
    num_rows = draw(st.integers(1, 30))
    columns = {
        name: draw(st.lists(st.none() | positive, min_size=num_rows, max_size=num_rows))
        for name in draw(st.permutations([*FEATURES, "price"]))
    }
    if draw(st.booleans()):
        # pandas leaves a carriage return unquoted, which ends the row for every reader.
        address = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
        columns["address"] = draw(st.lists(address, min_size=num_rows, max_size=num_rows))
    how = {
        "float_format": draw(st.sampled_from([None, "%.6f", "%.17g", "%.3e", "%12.4f"])),
        "na_rep": draw(st.sampled_from(["", "NA", "NaN", "null", "None", "#N/A"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig"])),
    }
    return pd.DataFrame(columns), how


@given(tables(), st.integers(400, 1000))
def test_table_is_what_pandas_reads_and_a_stream_is_the_same(folder, table, batch_bytes):
    path = folder / "houses.csv"
    frame, how = table
    frame.to_csv(path, index=False, **how)
    read = pd.read_csv(path, dtype=str)[[*FEATURES, "price"]].map(float)
    complete = read.dropna()

    batches = list(stream_features(path, batch_bytes=batch_bytes))

    features = read[list(FEATURES)]
    expected = features.where(features.notna().all(axis=1))
    np.testing.assert_array_equal(np.concatenate([batch.features_NF for batch in batches]), expected)
    assert [batch.first_row for batch in batches] == [
        1 + sum(batch.table.num_rows for batch in batches[:i]) for i in range(len(batches))
    ]
    if complete.empty:
        assert "each with a missing value" in refusal(load_dataset, path)
        return
    dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.features_NF, complete[list(FEATURES)])
    np.testing.assert_array_equal(dataset.price_N, complete["price"])
    assert dataset.num_dropped == len(read) - len(complete)


damage = st.sampled_from(
    [b'"', b",", b"\n", b"\r", b" ", b"\xff", b"x", b"NA", b"-", b"1e9", b"\0", b"inf", b'"\n', b',"']
)


@given(st.lists(st.tuples(st.integers(0, 400), damage, st.integers(0, 4)), min_size=1, max_size=3))
def test_damaged_file_is_read_or_refused_in_one_line_by_both_readers(folder, damages):
    path = folder / "damaged.csv"
    content = bytearray((ADDRESSED + lines(GOOD + ",x") * 4).encode())
    for start, inserted, num_removed in damages:
        content[start : start + num_removed] = inserted
    path.write_bytes(content)

    features = []
    for read in (load_dataset, load_whole_stream):
        try:
            table = read(path)
        except DataError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - a refusal is one of two right answers
            continue
        features.append(table.features_NF if read is load_dataset else np.concatenate([b.features_NF for b in table]))

    if len(features) == 2:
        from_dataset, from_stream = features
        # The stream keeps rows with a missing feature, and does not look at the price.
        assert {*map(tuple, from_dataset)} <= {*map(tuple, from_stream)}
