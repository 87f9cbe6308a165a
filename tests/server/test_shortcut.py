"""The way past ASGI, over a socket: it must answer as the ordinary way does, and leave what is not for it."""

from __future__ import annotations

import json

import pytest

from tests.server import HOUSE, JSON, answers_on, request_bytes

# The same house, by the ordinary way: a content type with a parameter does not take the shortcut.
ORDINARY = {"content-type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    "house",
    [
        HOUSE,
        HOUSE | {"rooms": 70},
        HOUSE | {"rooms": -1},
        HOUSE | {"population": 1e300},
        HOUSE | {"rooms": None},
        {},
        {"houses": [HOUSE]},
        {"houses": [HOUSE] * 8},
    ],
    ids=["plain", "unfamiliar", "negative", "huge", "null", "empty", "list", "list of eight"],
)
def test_it_answers_as_the_ordinary_way_does(server, house):
    short = server.ask("POST", "/v1/price", json.dumps(house), JSON)
    ordinary = server.ask("POST", "/v1/price", json.dumps(house), ORDINARY)

    assert (short.status, short.body) == (ordinary.status, ordinary.body)
    assert set(short.headers) == set(ordinary.headers)


def test_both_ways_are_counted(server):
    name = 'pricebench_requests_total{endpoint="price",status="200"}'
    before = server.metrics().get(name, 0.0)

    server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON)
    server.ask("POST", "/v1/price", json.dumps(HOUSE), ORDINARY)

    assert server.metrics()[name] == before + 2


def test_requests_by_both_ways_are_answered_in_their_order(server):
    strange = json.dumps(HOUSE | {"rooms": 70}).encode()
    ordinary = request_bytes(strange).replace(b"application/json", b"application/json;a=b")
    sent = [request_bytes(), ordinary, request_bytes(b"{}"), request_bytes(), ordinary]
    with server.connect(b"".join(sent) + request_bytes(b"[]", headers=["connection: close"])) as sock:
        statuses, _ = answers_on(sock)

    assert statuses == [200, 200, 422, 200, 200, 422]


@pytest.mark.parametrize("field", ["connection: close", "x-nothing: 1"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_is_closed_where_the_client_says_so(server, version, field):
    sent = request_bytes(headers=[field]).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    is_kept = version == "1.1" and field.startswith("x")
    with server.connect(sent) as sock:
        if is_kept:
            sock.sendall(request_bytes(headers=["connection: close"]))
        statuses, _ = answers_on(sock)

    assert statuses == [200] * (1 + is_kept)


def test_a_body_in_pieces_is_one_body(server):
    sent = request_bytes(headers=["connection: close"])
    with server.connect() as sock:
        for start in range(0, len(sent), 40):
            sock.sendall(sent[start : start + 40])
        assert answers_on(sock)[0] == [200]
