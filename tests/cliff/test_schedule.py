from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.cliff.schedule import CliffError, Order, schedule

SHAPES = {"full": 2048, "residual": 1207, "single": 1}


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        (Order.FORWARD, [2048, 2048, 1207, 2048, 1005, 1, 2, 2048]),
        (Order.REVERSE, [1207, 1207, 2048, 1207, 1005, 1, 2, 1207]),
        (Order.ALIGNED, [2048, 2048, 1024, 2048, 853, 1, 2, 2048]),
    ],
)
def test_rows_of_each_order(order, rows):
    assert [step.rows for step in schedule(SHAPES, order)] == rows


@given(full=st.integers(5, 10_000), data=st.data())
def test_every_residual_of_four_rows_and_more_has_a_schedule(full, data):
    residual = data.draw(st.integers(4, full - 1))

    steps = schedule({"full": full, "residual": residual})

    assert len({step.name for step in steps}) == len(steps)
    assert len({step.rows for step in steps}) == 5


@pytest.mark.parametrize("residual", [1, 3, 2048, 5000])
def test_other_residuals_are_refused(residual):
    with pytest.raises(CliffError, match=f"has {residual} rows, expected 4 to 2047"):
        schedule({"full": 2048, "residual": residual})
