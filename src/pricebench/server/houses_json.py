"""JSON becomes houses, or a sentence that names the row, the field and the value.

What is right is read by one typed parser, in a microsecond. Only what that refuses is read again, slowly, to say what
is wrong with it. Shapes: N rows, F features.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pricebench.data import FEATURES, QUANTITIES, Quantity
from pricebench.errors import printable
from pricebench.server.answers import RefusedError

_FEATURES = QUANTITIES[: len(FEATURES)]


def _typed(quantity: Quantity) -> Any:
    least = quantity.minimum
    return Annotated[float, msgspec.Meta(ge=least) if quantity.is_minimum_allowed else msgspec.Meta(gt=least)]


_House = msgspec.defstruct(
    "House", [(quantity.name, _typed(quantity)) for quantity in _FEATURES], forbid_unknown_fields=True, gc=False
)
_Houses = msgspec.defstruct("Houses", [("houses", list[_House])], forbid_unknown_fields=True)  # type: ignore[valid-type]
_one = msgspec.json.Decoder(_House)
_many: Any = msgspec.json.Decoder(_Houses)

_MANY = b'"houses"'
_DEEPEST = 64  # a house in a list in an object has three levels; clients of other servers nest an axis of a tensor each
# The typed parser takes the last of two equal keys. Keys are the only strings in a house, so their quotes tell.
_QUOTES = 2 * len(FEATURES)
_SHAPE = f'an object with {", ".join(FEATURES)}, or {{"houses": [...]}} with many of them'


class Houses(NamedTuple):
    """What was asked about.

    Attributes:
        rows_NF: Float64.
        is_one: Whether it was one house, not a list of them.
    """

    rows_NF: NDArray[np.float64]
    is_one: bool


def parse(body: bytes, *, most_rows: int) -> Houses:
    """Read one house, or many.

    Raises:
        RefusedError: 400 for what is no JSON, 413 for too many rows, 422 for wrong fields.
    """
    house = plain_house(body)
    if house is not None:
        return Houses(np.array((house,)), is_one=True)
    try:
        if _MANY in body:
            houses = _many.decode(body).houses
            if houses and body.count(b'"') == _QUOTES * len(houses) + 2:
                require_rows(len(houses), most_rows)
                values = chain.from_iterable(map(msgspec.structs.astuple, houses))
                rows_NF = np.fromiter(values, np.float64, count=len(houses) * len(FEATURES))
                return Houses(rows_NF.reshape(len(houses), len(FEATURES)), is_one=False)
    # RecursionError: nested more deeply than any house. ValueError: a number that no float holds.
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    return _slowly(body, most_rows)


def plain_house(body: bytes) -> tuple[float, ...] | None:
    """One house, `(F,)`; None where the body is anything else, or wrong."""
    try:
        house: tuple[float, ...] = msgspec.structs.astuple(_one.decode(body))
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    return house if body.count(b'"') == _QUOTES else None


def require_rows(num_rows: int, most_rows: int) -> None:
    """Refuse more rows than may be.

    Raises:
        RefusedError: 413.
    """
    if num_rows > most_rows:
        raise RefusedError(
            413, f"expected at most {most_rows:,} houses, found {num_rows:,}. Send them in several requests."
        )


# ---- what is wrong with it? ----------------------------------------------------------------------------------------


class _Number(str):
    """A number as it stands in the text: its value may be more than a float holds."""

    __slots__ = ()


class _Constant(str):
    """NaN, Infinity or -Infinity, which some write and JSON does not know."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """An object that remembers a key that stood twice."""

    twice: str | None = None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        made.twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return made


def read_json(body: bytes) -> Any:
    """JSON, of which numbers are still text, so that a message can show them.

    Raises:
        RefusedError: 400 for what is no JSON.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"expected JSON in UTF-8, found another byte at {error.start}.") from None
    if not text.strip():
        raise RefusedError(400, f"expected JSON, found an empty body. Send {_SHAPE}.")
    # Not left to Python's limit, which libraries raise: on its far side is the end of the process.
    if _depth(body) > _DEEPEST:
        raise RefusedError(400, f"expected {_SHAPE}, found JSON that is nested too deeply.")
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_Constant
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RefusedError(400, f"expected JSON, found what is none at {where}: {error.msg}.") from None


def _depth(body: bytes) -> int:
    """How deeply brackets are nested; those in texts count too, which no house has."""
    letters = np.frombuffer(body, np.uint8)
    opening = (letters == ord("[")) | (letters == ord("{"))
    closing = (letters == ord("]")) | (letters == ord("}"))
    return int((opening.astype(np.int32) - closing).cumsum().max(initial=0))


def _slowly(body: bytes, most_rows: int) -> Houses:
    found = read_json(body)
    if not isinstance(found, _Object):
        raise RefusedError(422, f"expected {_SHAPE}, found {shown(found)}.")
    is_one = "houses" not in found
    if is_one:
        houses: Sequence[Any] = [found]
    else:
        _refuse_twice(found, "")
        if unknown := next((name for name in found if name != "houses"), None):
            raise RefusedError(422, f"'{printable(unknown)}' stands beside houses, expected nothing there.")
        houses = found["houses"]
        if not isinstance(houses, list):
            raise RefusedError(422, f"houses is {shown(houses)}, expected a list of houses.")
        if not houses:
            raise RefusedError(422, "houses is an empty list, expected at least one house.")
        require_rows(len(houses), most_rows)
    return Houses(np.array([_house(house, row) for row, house in enumerate(houses, start=1)]), is_one=is_one)


def _house(house: Any, row: int) -> list[float]:
    where = f"row {row}: "
    if not isinstance(house, _Object):
        raise RefusedError(422, f"{where}the house is {shown(house)}, expected an object with {', '.join(FEATURES)}.")
    _refuse_twice(house, where)
    if unknown := next((name for name in house if name not in FEATURES), None):
        value = shown(house[unknown])
        raise RefusedError(
            422,
            f"{where}'{printable(unknown)}' is {value}, but no feature of a house; those are {', '.join(FEATURES)}.",
        )
    return [_value(quantity, house, where) for quantity in _FEATURES]


def _value(quantity: Quantity, house: Mapping[str, Any], where: str) -> float:
    expected = f"expected a finite number {quantity.expectation}"
    if quantity.name not in house:
        raise RefusedError(422, f"{where}{quantity.name} is missing, {expected}.")
    found = house[quantity.name]
    number = float(found) if isinstance(found, _Number) else math.nan
    if not math.isfinite(number) or quantity.first_wrong(np.array([number])) is not None:
        raise RefusedError(422, f"{where}{quantity.name} is {shown(found)}, {expected}.")
    return number


def _refuse_twice(found: _Object, where: str) -> None:
    if found.twice is not None:
        name = printable(found.twice)
        raise RefusedError(
            422, f"{where}'{name}' stands twice, the second time as {shown(found[found.twice])}; expected once."
        )


def shown(found: Any) -> str:
    """A JSON value in a message: short, and on one line."""
    if isinstance(found, (_Number, _Constant)):
        return printable(found)
    if isinstance(found, str):
        return f"'{printable(found)}'"
    if isinstance(found, list):
        return f"a list of {len(found)}"
    if isinstance(found, dict):
        return f"an object of {len(found)}"
    return json.dumps(found)
