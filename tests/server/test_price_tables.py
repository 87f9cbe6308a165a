from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa
import pytest

from pricebench.data import FEATURES
from tests.server import HOUSE
from tests.server.test_price import HOUSES_NF, within_float32
from tests.serving import untrained_artifacts

FAMILIAR_NF = HOUSES_NF[(np.abs(HOUSES_NF - HOUSES_NF.mean(0)) < 3 * HOUSES_NF.std(0)).all(1)]
ARROW = "application/vnd.apache.arrow.stream"


def as_csv(rows_NF):
    return "\n".join([",".join(FEATURES), *(",".join(map(repr, row)) for row in rows_NF.tolist())]).encode()


def as_arrow(rows_NF, **more):
    return stream_of(pa.table(dict(zip(FEATURES, rows_NF.T, strict=True)) | more))


def stream_of(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def test_csv_is_answered_with_a_row_for_a_row(desk):
    reply = desk.price(as_csv(FAMILIAR_NF), "text/csv; charset=utf-8")

    header, *rows = csv.reader(io.StringIO(reply.body.decode()))
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert header == ["price", "range_low", "range_high", "warnings"]
    prices = [float(row[0]) for row in rows]
    assert within_float32(prices, FAMILIAR_NF)
    assert [float(row[2]) for row in rows] == pytest.approx([price + 120_000 for price in prices], abs=0.011)
    assert reply.headers["x-model"] == untrained_artifacts().stats.model_digest


def test_an_arrow_stream_is_answered_with_one(desk):
    reply = desk.price(as_arrow(FAMILIAR_NF), ARROW)

    table = pa.ipc.open_stream(reply.body).read_all()
    assert (reply.status, reply.headers["content-type"]) == (200, ARROW)
    assert within_float32(table["price"].to_pylist(), FAMILIAR_NF)
    assert table["warnings"].to_pylist() == [[]] * len(FAMILIAR_NF)
    assert table.schema.metadata[b"pricebench.model"].decode() == untrained_artifacts().stats.model_digest


@pytest.mark.parametrize("kind", ["text/csv", ARROW])
def test_a_row_with_a_missing_value_has_no_price_and_a_strange_one_no_range(desk, kind):
    rows_NF = np.array([list(HOUSE.values())] * 3, dtype=float)
    rows_NF[1, 2], rows_NF[2, 2] = np.nan, 70
    body = as_arrow(rows_NF) if kind == ARROW else as_csv(rows_NF)

    reply = desk.price(body, kind)

    if kind == ARROW:
        rows = pa.ipc.open_stream(reply.body).read_all().to_pylist()
        assert [row["price"] is None for row in rows] == [False, True, False]
        assert [row["range_low"] is None for row in rows] == [False, True, True]
        assert rows[2]["warnings"][0].startswith("rooms is 70, ")
    else:
        rows = list(csv.reader(io.StringIO(reply.body.decode())))[1:]
        assert [row[0] == "" for row in rows] == [False, True, False]
        assert [row[1] == "" for row in rows] == [False, True, True]
        assert rows[2][3].startswith("rooms is 70, ")


def test_other_known_headers_are_priced_in_their_units(desk):
    text = b"MedInc,HouseAge,AveRooms,AveBedrms,Population\n6.8,6,7,4,36000\n"

    reply = desk.price(text, "text/csv")

    assert float(reply.body.decode().splitlines()[1].split(",")[0]) == desk.price(HOUSE).body["price"]


HEADER = ",".join(FEATURES)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "expected a header"),
        (f"{HEADER}\n".encode(), 422, "found none"),
        (f"{HEADER}\n1,2,3,4\n".encode(), 400, "row 1: expected 5 columns as in the header, found 4"),
        (f"{HEADER}\n1,2,3,4,5\n1,2,3,4,5,6\n".encode(), 400, "row 2: expected 5 columns as in the header, found 6"),
        (f"{HEADER}\n1,2,x,4,5\n".encode(), 422, "row 1: rooms is 'x', expected a number."),
        (f"{HEADER}\n1,2,3,4,5\n1,2,-3,4,5\n".encode(), 422, "row 2: rooms is -3, expected a finite number above 0"),
        (f"{HEADER}\n1,2,inf,4,5\n".encode(), 422, "row 1: rooms is inf, expected"),
        (f'{HEADER},note\n1,2,3,4,5,"open\n1,2,3,4,5,x\n'.encode(), 400, "expected a closing quote"),
        (b"income,house_age\n1,2\n", 422, "lacks rooms, bedrooms, population"),
        (f"{HEADER}\n1,2,3,4,\xff\n".encode("latin-1"), 400, "UTF-8"),
        (b"\xff\xfe,b\n1,2\n", 400, "UTF-8"),
        (b"\0" * 100, 400, "expected a header and rows"),
        (as_csv(np.repeat(HOUSES_NF, 3, axis=0)), 413, "expected at most 100 houses, found 150"),
        (f"{HEADER}\n1e300,2,3,4,5\n".encode(), 422, "row 1: income is 1e+300, too large"),
    ],
)
def test_a_wrong_csv_is_refused_with_a_reason(desk, body, status, says):
    reply = desk.price(body, "text/csv")

    assert reply.status == status
    assert says in reply.body["error"]
    assert "the body" not in reply.body["error"]


BOMB = stream_of(pa.table(dict.fromkeys(FEATURES, np.ones(1_000_000))), compression="zstd")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "expected an Arrow IPC stream"),
        (b"\xff\xff\xff\xff\x10\0\0\0" + b"\xff" * 16, 400, "expected an Arrow IPC stream"),
        (as_arrow(HOUSES_NF)[:-200], 400, "expected an Arrow IPC stream"),
        (BOMB, 415, "without compression"),
        (as_arrow(HOUSES_NF, note=pa.array(["x"] * 50).dictionary_encode()), 415, "found a dictionary"),
        (as_arrow(np.repeat(HOUSES_NF, 3, axis=0)), 413, "expected at most 100 houses, found 150"),
        (as_arrow(-HOUSES_NF[:1]), 422, "row 1: income is -"),
        (stream_of(pa.table({"income": [1.0]})), 422, "lacks house_age"),
        (as_arrow(HOUSES_NF[:0]), 422, "found none"),
    ],
    ids=["empty", "ones", "cut", "bomb", "dictionary", "rows", "negative", "columns", "no rows"],
)
def test_a_wrong_arrow_stream_is_refused_with_a_reason(desk, body, status, says):
    assert len(BOMB) < 20_000

    reply = desk.price(body, ARROW)

    assert reply.status == status
    assert says in reply.body["error"]


def test_a_damaged_arrow_stream_is_refused_wherever_it_is_damaged(desk):
    whole = as_arrow(HOUSES_NF[:3])
    statuses = set()

    for place in range(0, len(whole) - 8, 4):
        damaged = whole[:place] + b"\xff\xff\xff\x7f" + whole[place + 4 :]
        statuses.add(desk.price(damaged, ARROW).status)

    assert statuses <= {200, 400, 413, 415, 422}  # what is damaged may be a number
