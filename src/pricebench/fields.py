"""What stands under a key of somebody's JSON: taken if it is what it should be, and named by its key if it is not.

Written for speed where it costs nothing else: a history of 10,000 runs has six million numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pricebench.errors import printable

T = TypeVar("T")
_ABSENT = object()


class WrongFieldError(ValueError):
    """`stats.median: expected a number, found null`.

    Attributes:
        key: Where, with dots between the levels; empty for the whole.
        expected: What had to be there.
        found: What is there, for people.
    """

    def __init__(self, key: str, expected: str, found: str) -> None:
        super().__init__(f"{f'{key}: ' if key else ''}expected {expected}, found {found}")
        self.key, self.expected, self.found = key, expected, found

    def within(self, parent: str) -> WrongFieldError:
        """The same, seen from one level higher."""
        return WrongFieldError(f"{parent}.{self.key}" if self.key else parent, self.expected, self.found)


def wrong(key: str, expected: str, value: Any) -> WrongFieldError:
    """The error for a value under a key."""
    return WrongFieldError(key, expected, _described(value))


def as_object(value: Any, key: str = "") -> dict[str, Any]:
    """A JSON object."""
    if isinstance(value, dict):
        return value
    raise wrong(key, "an object", value)


def object_in(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under a key."""
    return as_object(record.get(key, _ABSENT), key)


def optional_object(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under a key; an empty one where there is none, or null."""
    value = record.get(key)
    return {} if value is None else as_object(value, key)


def built_in(record: Mapping[str, Any], key: str, build: Callable[[dict[str, Any]], T], *, is_needed: bool = True) -> T:
    """What is built of the object under a key; of an empty one if none is needed."""
    inner = object_in(record, key) if is_needed else optional_object(record, key)
    try:
        return build(inner)
    except WrongFieldError as error:
        raise error.within(key) from None


def each_in(record: Mapping[str, Any], key: str, build: Callable[[Any], T]) -> list[T]:
    """What is built of each entry of the list under a key."""
    entries = record.get(key, _ABSENT)
    if not isinstance(entries, list | tuple):
        raise wrong(key, "a list", entries)
    built: list[T] = []
    try:
        for entry in entries:
            built.append(build(entry))  # noqa: PERF401 - the number of the wrong one is their number so far
    except WrongFieldError as error:
        raise error.within(f"{key}[{len(built)}]") from None
    return built


def text_in(record: Mapping[str, Any], key: str) -> str:
    """The text under a key."""
    value = record.get(key, _ABSENT)
    if isinstance(value, str):
        return value
    raise wrong(key, "text", value)


def optional_text(record: Mapping[str, Any], key: str) -> str | None:
    """The text under a key, or None."""
    value = record.get(key)
    if value is None or isinstance(value, str):
        return value
    raise wrong(key, "text", value)


def texts_in(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts in the list under a key; none where there is no list."""
    values = record.get(key)
    if values is None:
        return ()
    if isinstance(values, list | tuple) and all(isinstance(value, str) for value in values):
        return tuple(values)
    raise wrong(key, "a list of texts", values)


def optional_flag(record: Mapping[str, Any], key: str) -> bool | None:
    """True, false or None."""
    value = record.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise wrong(key, "true or false", value)


def optional_count(record: Mapping[str, Any], key: str) -> int | None:
    """A whole number from 0 on, or None."""
    value = record.get(key)
    return None if value is None else count_in(record, key)


def count_in(record: Mapping[str, Any], key: str) -> int:
    """A whole number from 0 on, as large as tables hold."""
    value = record.get(key, _ABSENT)
    if value.__class__ is int and 0 <= value < 2**63:  # a bool has a class of its own
        return value
    raise wrong(key, "a count", value)


def seconds_in(record: Mapping[str, Any], key: str) -> float:
    """A time; not a number is no time, but is what some clocks give, and stays."""
    value = record.get(key, _ABSENT)
    if value.__class__ is float and not value < 0.0:  # the usual case, without another call
        return value
    number = _as_seconds(value)
    if number is None:
        raise wrong(key, "seconds, at least 0", value)
    return number


def amount_in(record: Mapping[str, Any], key: str, *, above: bool = False) -> float:
    """A finite number from 0 on, or above 0."""
    value = record.get(key, _ABSENT)
    number = _as_seconds(value)
    if number is None or not math.isfinite(number) or (above and not number):
        raise wrong(key, "a number above 0" if above else "a number, at least 0", value)
    return number


def optional_seconds(record: Mapping[str, Any], key: str) -> float | None:
    """A time, or None."""
    value = record.get(key)
    if value.__class__ is float and not value < 0.0:  # as above
        return value
    return None if value is None else seconds_in(record, key)


def times_in(record: Mapping[str, Any], key: str) -> tuple[float, ...]:
    """The times in the list under a key; none where there is no list."""
    values = record.get(key)
    if values is None:
        return ()
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise wrong(key, "a list of seconds", values)
    times = []
    for position, value in enumerate(values):
        number = _as_seconds(value)
        if number is None:
            raise wrong(f"{key}[{position}]", "seconds, at least 0", value)
        times.append(number)
    return tuple(times)


def scalars_in(record: Mapping[str, Any], key: str) -> dict[str, str | int | float]:
    """The object of texts and numbers under a key; an empty one where there is none."""
    values = optional_object(record, key)
    for name, value in values.items():
        if not isinstance(value, str | int | float):
            raise wrong(f"{key}.{printable(name)}", "text or a number", value)
    return values


def _as_seconds(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return None


def _described(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{printable(value)}'"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else printable(f"{value}")
