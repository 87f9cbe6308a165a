from __future__ import annotations

import math

import pytest

from evidence.two_times import EAGER, PAGE, WAYS, faster, rendered
from evidence.two_times_arm import _CASES
from pricebench.paired.records import Block


def block(number, **seconds):
    arms = {arm: (value,) * 4 for arm, value in seconds.items()}
    return Block(
        number=number, seconds={"case": arms}, calls={"case": 1}, company={}, failures={}, wall=1.0, others=0.0
    )


def test_the_page_is_what_its_reports_say():
    text = PAGE.read_text(encoding="utf-8")

    assert "<!-- ways from " in text
    assert rendered(text) == text


def test_twice_as_fast_in_every_block_is_two_without_doubt():
    found = [block(number, eager=2.0 + number, other=(2.0 + number) / 2) for number in range(8)]

    assert faster(found, "case", "other") == pytest.approx((2.0, 2.0, 2.0))


def test_blocks_that_disagree_widen_the_interval_around_their_mean():
    ratios = [1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 8 / 3]
    found = [block(number, eager=ratio, other=1.0) for number, ratio in enumerate(ratios)]

    mean, low, high = faster(found, "case", "other")

    # The smallest and the largest eighth are left out.
    assert mean == pytest.approx(2.0)
    assert low <= mean <= high
    assert math.log(high / mean) == pytest.approx(math.log(mean / low))
    assert faster(found[:2], "case", "other") is None


def test_every_way_runs_cases_that_there_are_and_eager_runs_all():
    assert set(WAYS[EAGER].cases) == set(_CASES)
    assert all(set(way.cases) <= set(_CASES) for way in WAYS.values())
