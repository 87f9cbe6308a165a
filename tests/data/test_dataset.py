from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
import sklearn.model_selection
from hypothesis import given
from hypothesis import strategies as st

from pricebench.data import FEATURES, Dataset, make_houses, train_test_split


def numbered(num_rows):
    """Houses whose price is their index."""
    return Dataset(
        name="numbered",
        header="canonical",
        features_NF=np.arange(num_rows * 5.0).reshape(num_rows, 5),
        price_N=np.arange(float(num_rows)),
    )


@given(st.integers(1, 400), st.floats(0.001, 0.999), st.integers(0, 2**32 - 1))
def test_split_is_that_of_scikit_learn(num_rows, test_size, seed):
    houses = numbered(num_rows)
    try:
        train, test = sklearn.model_selection.train_test_split(
            np.arange(num_rows), test_size=test_size, random_state=seed
        )
    except ValueError:
        with pytest.raises(ValueError, match="leaves none to train on"):
            train_test_split(houses, test_size=test_size, seed=seed)
        return

    found_train, found_test = train_test_split(houses, test_size=test_size, seed=seed)

    np.testing.assert_array_equal(found_train.price_N, train)
    np.testing.assert_array_equal(found_test.price_N, test)
    np.testing.assert_array_equal(found_train.features_NF, houses.features_NF[train])
    np.testing.assert_array_equal(found_test.features_NF, houses.features_NF[test])


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_share_outside_zero_and_one_is_refused(test_size):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        train_test_split(numbered(10), test_size=test_size, seed=0)


def test_split_keeps_where_the_rows_come_from():
    train, test = train_test_split(numbered(10), test_size=0.3, seed=0)

    assert (train.name, train.header) == (test.name, test.header) == ("numbered", "canonical")


def test_digest_is_the_sha256_of_the_columns_as_little_endian_doubles():
    houses = make_houses(7)

    columns = [*(houses.frame()[name] for name in FEATURES), houses.frame()["price"]]
    expected = hashlib.sha256(b"".join(struct.pack("<7d", *column) for column in columns)).hexdigest()
    assert houses.digest() == expected


def test_digest_does_not_depend_on_memory_layout():
    houses = make_houses(50)
    layouts = (
        np.ascontiguousarray(houses.features_NF),
        np.asfortranarray(houses.features_NF),
        np.repeat(houses.features_NF, 2, axis=0)[::2],
        houses.features_NF.astype(">f8"),
    )

    digests = {
        Dataset(name="", header="", features_NF=features_NF, price_N=houses.price_N).digest() for features_NF in layouts
    }

    assert digests == {houses.digest()}


def test_digest_does_not_depend_on_the_files_name():
    first, second = make_houses(5), make_houses(5)

    renamed = Dataset(name="other", header="other", features_NF=second.features_NF, price_N=second.price_N)

    assert renamed.digest() == first.digest()


@given(st.integers(0, 19), st.integers(0, 5))
def test_digest_changes_with_the_last_bit_of_any_value(row, column):
    houses = make_houses(20)
    features_NF, price_N = houses.features_NF.copy(), houses.price_N.copy()
    values = price_N if column == 5 else features_NF[:, column]
    values[row] = np.nextafter(values[row], np.inf)

    changed = Dataset(name=houses.name, header=houses.header, features_NF=features_NF, price_N=price_N)

    assert changed.digest() != houses.digest()


def test_digest_changes_with_the_order_of_rows_and_of_columns():
    houses = make_houses(20)
    swapped = Dataset(
        name=houses.name, header=houses.header, features_NF=houses.features_NF[:, ::-1], price_N=houses.price_N
    )

    digests = {houses.digest(), houses.take(np.arange(19, -1, -1)).digest(), swapped.digest()}

    assert len(digests) == 3


def test_rows_are_taken_in_the_given_order():
    taken = numbered(10).take(np.array([7, 0, 7]))

    assert taken.price_N.tolist() == [7.0, 0.0, 7.0]
    assert taken.features_NF[:, 0].tolist() == [35.0, 0.0, 35.0]
    assert taken.num_rows == 3


def test_frame_has_the_canonical_columns():
    frame = numbered(2).frame()

    assert list(frame) == ["income", "house_age", "rooms", "bedrooms", "population", "price"]
    assert frame.iloc[1].tolist() == [5.0, 6.0, 7.0, 8.0, 9.0, 1.0]
