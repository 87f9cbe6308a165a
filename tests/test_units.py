from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pricebench.units import format_dollars, format_duration, format_error, format_rate

SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
PER_SECOND = {"/s": 1.0, "k/s": 1e3, "M/s": 1e6, "G/s": 1e9}


def read(text, units):
    number, unit = text.split(" ")
    return float(number) * units[unit]


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0.0, "0.00 ns"),
        (0.5e-9, "0.500 ns"),
        (1e-9, "1.00 ns"),
        (9.994e-6, "9.99 µs"),
        (9.996e-6, "10.0 µs"),
        (99.96e-6, "100 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (0.12345, "123 ms"),
        (59.94, "59.9 s"),
        (3600.0, "3600 s"),
        (-0.00321, "-3.21 ms"),
    ],
)
def test_duration_has_three_digits_in_the_unit_that_reads_best(duration, text):
    assert format_duration(duration) == text


@given(st.floats(1e-9, 1e6))
def test_duration_is_read_back_within_half_a_unit_of_its_third_digit(duration):
    assert read(format_duration(duration), SECONDS) == pytest.approx(duration, rel=0.005 + 1e-9)


@given(st.floats(1e-10, 999.0))
def test_duration_shows_exactly_three_digits(duration):
    digits = re.sub(r"\D", "", format_duration(duration)).lstrip("0")

    assert len(digits) == 3


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0.00 /s"),
        (0.0625, "0.0625 /s"),
        (0.25, "0.250 /s"),
        (999.4, "999 /s"),
        (999.6, "1.00 k/s"),
        (45_600_000.0, "45.6 M/s"),
    ],
)
def test_rate_has_a_metric_prefix(rate, text):
    assert format_rate(rate) == text


@given(st.floats(0.001, 1e12))
@example(0.0625)
def test_rate_is_read_back_within_half_a_unit_of_its_third_digit(rate):
    assert read(format_rate(rate), PER_SECOND) == pytest.approx(rate, rel=0.005 + 1e-9)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "$0"),
        (-0.4, "$0"),
        (-0.6, "-$1"),
        (999.5, "$1,000"),
        (1_059_033.5578, "$1,059,034"),
        (-1_234.0, "-$1,234"),
    ],
)
def test_dollars_are_whole_with_separators(amount, text):
    assert format_dollars(amount) == text


@pytest.mark.parametrize(("error", "text"), [(0.0, "0"), (1.24e-6, "1.2e-06"), (0.5, "5.0e-01")])
def test_error_has_two_digits(error, text):
    assert format_error(error) == text
