"""`POST /v1/price`: one house or many, as JSON; many also as CSV or as an Arrow stream.

Shapes: N rows, F features.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from pricebench.data import FEATURES
from pricebench.server import houses_json, tables
from pricebench.server.answers import ARROW, CSV, JSON, Answer, RefusedError, as_json
from pricebench.server.ranges import ranged
from pricebench.server.requests import Request
from pricebench.server.service import Service
from pricebench.serving.batching import Priced
from pricebench.serving.price_range import MOST, NO_RANGE_UNFAMILIAR
from pricebench.serving.readiness import ReadyModel
from pricebench.units import Dollar

# Between pieces of a large answer others get their turn: this many rows take a millisecond.
_PIECE = 1024
_NONE: list[str] = []
_KINDS = (JSON, tables.CSV_TYPE, ARROW)


class Range(Struct, frozen=True, gc=False):
    """Between these lie 9 of 10 such houses, in dollars."""

    low: Dollar
    high: Dollar


class House(Struct, frozen=True, gc=False):
    """An answer for one of many houses."""

    price: Dollar | None
    range: Range | None
    warnings: list[str]


class OneHouse(Struct, frozen=True, gc=False):
    """The answer for one house."""

    price: Dollar
    range: Range | None
    warnings: list[str]
    model: str
    no_range: str | UnsetType = UNSET


async def price(service: Service, request: Request) -> Answer:
    """Answer.

    Raises:
        RefusedError: With the status that fits.
    """
    kind = request.content_type()
    if kind not in _KINDS:
        found = kind.decode("ascii", "replace")[:40] or "none"
        raise RefusedError(
            415, f"expected the content type {', '.join(each.decode() for each in _KINDS)}, found {found!r}."
        )
    body = await request.body(most_bytes=service.limits.body_bytes)
    most_rows = service.limits.rows
    if kind == JSON:
        houses = houses_json.parse(body, most_rows=most_rows)
        priced = await service.price(houses.rows_NF, request.arrived)
        if houses.is_one:
            return one_house(houses.rows_NF[0].tolist(), priced)
        return await many_houses(houses.rows_NF, priced)
    rows_NF = tables.from_csv(body, most_rows) if kind == tables.CSV_TYPE else tables.from_arrow(body, most_rows)
    priced = await service.price(rows_NF, request.arrived)
    require_prices(rows_NF, priced)
    answered = tables.priced_rows(rows_NF, priced)
    if kind == ARROW:
        return Answer(tables.to_arrow(answered), content_type=ARROW, num_houses=len(rows_NF))
    headers = ((b"x-model", priced.model.digest.encode()),)
    return Answer(tables.to_csv(answered), content_type=CSV, headers=headers, num_houses=len(rows_NF))


def one_house(house: Sequence[float], priced: Priced[ReadyModel]) -> Answer:
    """The answer for one house, `(F,)`.

    Raises:
        RefusedError: 422 where no float32 holds its price.
    """
    dollars, model = float(priced.price_N[0]), priced.model
    # Not within the largest float32, or NaN: no price.
    if not abs(dollars) < 3e38:
        require_prices(np.array((house,)), priced)
    warnings = model.predictor.warnings_for(np.array(house)) if model.seems_unfamiliar(house) else []
    residuals = model.residuals
    if residuals is None or warnings:
        no_range = NO_RANGE_UNFAMILIAR if residuals else model.no_range
        one = OneHouse(round(dollars, 2), None, warnings, model.digest, no_range)
    else:
        low, high = residuals.around(dollars, MOST)
        one = OneHouse(round(dollars, 2), Range(round(low, 2), round(high, 2)), warnings, model.digest)
    return Answer(as_json(one), num_houses=1)


async def many_houses(rows_NF: NDArray[np.float64], priced: Priced[ReadyModel]) -> Answer:
    """The answer for a list."""
    require_prices(rows_NF, priced)
    model, answers = priced.model, ranged(rows_NF, priced)
    columns = (answers.price_N, answers.low_N, answers.high_N, answers.lacks_range_N)
    parts = []
    for start in range(0, len(rows_NF), _PIECE):
        if start:
            await asyncio.sleep(0)
        piece = zip(*(column_N[start : start + _PIECE].tolist() for column_N in columns), strict=True)
        houses = [
            House(dollars, None if lacks_range else Range(low, high), answers.warnings.get(row, _NONE))
            for row, (dollars, low, high, lacks_range) in enumerate(piece, start)
        ]
        parts.append(as_json(houses)[1:-1])
    tail = as_json({"model": model.digest} | ({"no_range": model.no_range} if model.no_range else {}))
    return Answer(b'{"houses":[' + b",".join(parts) + b"]," + tail[1:], num_houses=len(rows_NF))


def require_prices(rows_NF: NDArray[np.float64], priced: Priced[ReadyModel]) -> None:
    """Refuse houses whose price no float32 holds, in which the model computes.

    Raises:
        RefusedError: 422.
    """
    if np.isfinite(priced.price_N).all():
        return
    # A row of a table may lack a value, and then it has no price.
    is_wrong_N = ~np.isfinite(priced.price_N) & ~np.isnan(rows_NF).any(axis=1)
    if not is_wrong_N.any():
        return
    row = int(np.argmax(is_wrong_N))
    feature = int(np.argmax(priced.model.predictor.distance_sd(rows_NF[row : row + 1])[0]))
    raise RefusedError(
        422,
        f"row {row + 1}: {FEATURES[feature]} is {rows_NF[row, feature]:g}, too large for the model, which computes in "
        "float32. Send a house that could exist.",
    )
