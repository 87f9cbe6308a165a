from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.serving.pieces import MOST_ROWS, pieces

SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True).map(sorted)


@given(st.integers(0, 5_000), st.one_of(st.just([]), SIZES))
def test_every_row_is_in_one_piece_and_every_piece_has_a_size_that_was_asked_for(num_rows, sizes):
    cut = pieces(num_rows, sizes)

    assert [row for piece in cut for row in range(piece.start, piece.stop)] == list(range(num_rows))
    assert all(0 < piece.stop - piece.start <= piece.size for piece in cut)
    assert all(piece.size in sizes if sizes else piece.size == piece.stop - piece.start for piece in cut)


def test_a_mode_that_takes_any_size_pads_nothing():
    assert pieces(8) == [(0, 8, 8)]
    assert pieces(MOST_ROWS + 1) == [(0, MOST_ROWS, MOST_ROWS), (MOST_ROWS, MOST_ROWS + 1, 1)]


@pytest.mark.parametrize(
    ("num_rows", "expected"),
    [
        (2, [8]),  # one call of 8 rows costs less than two calls
        (9, [8, 1]),  # two calls cost less than 55 rows of padding
        (500, [512]),
        (900, [512, 512]),
        (2_049, [2_048, 1]),
        (5_000, [2_048, 2_048, 512, 512]),
    ],
)
def test_padding_is_chosen_where_it_costs_less_than_another_call(num_rows, expected):
    assert [piece.size for piece in pieces(num_rows, (1, 8, 64, 512, 2_048))] == expected


@given(st.integers(1, 60))
def test_no_other_way_to_cut_costs_less(num_rows):
    sizes = (4, 16, 64)

    def cost(calls):  # 24 rows a call, as the module says
        return sum(calls) + 24 * len(calls)

    ways = (calls for number in range(1, 4) for calls in combinations_with_replacement(sizes, number))
    cheapest = min(cost(calls) for calls in ways if sum(calls) >= num_rows)
    assert cost([piece.size for piece in pieces(num_rows, sizes)]) == cheapest
