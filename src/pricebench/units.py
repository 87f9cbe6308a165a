"""Base units as types, and the only place where they become text for people."""

from __future__ import annotations

from typing import TypeAlias

Second: TypeAlias = float
Byte: TypeAlias = int
Flop: TypeAlias = int
Dollar: TypeAlias = float


def format_duration(duration: Second) -> str:
    """Three significant digits in the unit that reads best.

    >>> [format_duration(t) for t in (0.0000000321, 0.0000321, 0.00321, 0.9996, 3.21, 321.0)]
    ['32.1 ns', '32.1 µs', '3.21 ms', '1.00 s', '3.21 s', '321 s']
    """
    unit, scale = duration_unit(duration)
    return f"{_three_digits(duration / scale)} {unit}"


def duration_unit(duration: Second) -> tuple[str, Second]:
    """The unit that reads best, and how many seconds it is; for a whole axis, that of its largest value.

    >>> duration_unit(0.0042), duration_unit(75.0)
    (('ms', 0.001), ('s', 1.0))
    """
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if abs(duration) < 999.5 * scale:
            return unit, scale
    return "s", 1.0


def format_rate(per_second: float) -> str:
    """A rate with a metric prefix.

    >>> [format_rate(r) for r in (12.3, 12_345.0, 1_234_567.0, 83e9)]
    ['12.3 /s', '12.3 k/s', '1.23 M/s', '83.0 G/s']
    """
    for prefix, scale in (("", 1.0), ("k ", 1e3), ("M ", 1e6)):
        if per_second < 999.5 * scale:
            return f"{_three_digits(per_second / scale)} {prefix.strip()}/s"
    return f"{_three_digits(per_second / 1e9)} G/s"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "thread"), counted(2048, "row")
    ('1 thread', '2,048 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_dollars(amount: Dollar) -> str:
    """Whole dollars with thousands separators.

    >>> format_dollars(1234567.8), format_dollars(-5.0)
    ('$1,234,568', '-$5')
    """
    sign = "-" if round(amount) < 0 else ""
    return f"{sign}${abs(amount):,.0f}"


def format_error(error: float) -> str:
    """A small absolute error, two significant digits.

    >>> format_error(4.77e-7), format_error(0.0)
    ('4.8e-07', '0')
    """
    return f"{error:.1e}" if error else "0"


def _three_digits(value: float) -> str:
    size = abs(value)
    if 0.0 < size < 0.09995:
        return f"{value:.3g}"
    decimals = 3 if 0.0 < size < 0.9995 else 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{value:.{decimals}f}"
