from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from pricebench.data import FEATURES, make_houses
from pricebench.server.app import App
from pricebench.server.limits import Limits
from pricebench.serving.readiness import load_ready
from tests.server import HOUSE, desk_with, save_artifacts
from tests.serving import exact_dollars, untrained_artifacts

HOUSES_NF = make_houses(50, seed=11).features_NF


def as_objects(rows_NF):
    return [dict(zip(FEATURES, row, strict=True)) for row in rows_NF.tolist()]


def within_float32(found_N, rows_NF):
    exact_N, tolerance_N = exact_dollars(untrained_artifacts(), rows_NF)
    # Half a cent more: prices are rounded to cents.
    return (np.abs(np.array(found_N) - exact_N) <= tolerance_N + 0.005).all()


# ---- JSON ----------------------------------------------------------------------------------------------------------


def test_one_house_has_the_price_of_float64_a_range_and_the_models_digest(desk):
    reply = desk.price(HOUSE)

    assert reply.status == 200
    assert within_float32([reply.body["price"]], np.array([list(HOUSE.values())], dtype=float))
    # The residuals of nine in ten held-out houses lie between -100,000 and 120,000.
    assert reply.body["range"]["low"] == pytest.approx(reply.body["price"] - 100_000, abs=0.011)
    assert reply.body["range"]["high"] == pytest.approx(reply.body["price"] + 120_000, abs=0.011)
    assert reply.body["warnings"] == []
    assert reply.body["model"] == untrained_artifacts().stats.model_digest


def test_many_houses_are_answered_in_their_order(desk):
    reply = desk.price({"houses": as_objects(HOUSES_NF)})

    assert reply.status == 200
    assert within_float32([house["price"] for house in reply.body["houses"]], HOUSES_NF)
    assert reply.body["model"] == untrained_artifacts().stats.model_digest


def test_an_answer_in_several_pieces_is_whole(model):
    houses = as_objects(make_houses(3_000, seed=1).features_NF)

    reply = desk_with(model, Limits()).price({"houses": houses})

    alone = [desk_with(model, Limits()).price(houses[row]).body["price"] for row in (0, 1_023, 1_024, 2_999)]
    assert len(reply.body["houses"]) == 3_000
    # In another batch, float32 may round its last digit the other way.
    assert [reply.body["houses"][row]["price"] for row in (0, 1_023, 1_024, 2_999)] == pytest.approx(alone, rel=2**-22)


def test_an_unfamiliar_house_is_priced_with_a_warning_and_without_a_range(desk):
    reply = desk.price(HOUSE | {"rooms": 70})

    assert reply.status == 200
    assert reply.body["range"] is None
    assert "more familiar than this one" in reply.body["no_range"]
    (warning,) = reply.body["warnings"]
    assert warning.startswith("rooms is 70, ")


def test_a_list_warns_only_about_the_unfamiliar(desk):
    reply = desk.price({"houses": [HOUSE, HOUSE | {"rooms": 70}, HOUSE]})

    assert [len(house["warnings"]) for house in reply.body["houses"]] == [0, 1, 0]
    assert [house["range"] is None for house in reply.body["houses"]] == [False, True, False]


def test_without_residuals_prices_have_no_range_and_say_why(tmp_path):
    save_artifacts(tmp_path, residuals={"0.5": 0.0})

    desk = desk_with(load_ready(tmp_path, mode="eager"), Limits())

    for reply in (desk.price(HOUSE), desk.price({"houses": [HOUSE]})):
        assert reply.status == 200
        assert "No range: the residuals in metrics.json are damaged" in reply.body["no_range"]


def test_what_answers_says_names_no_path_of_this_machine(tmp_path):
    save_artifacts(tmp_path)
    (tmp_path / "metrics.json").unlink()

    reply = desk_with(load_ready(tmp_path, mode="eager"), Limits()).price(HOUSE)

    assert reply.status == 200
    assert str(tmp_path) not in json.dumps(reply.body)
    assert reply.body["no_range"].startswith("metrics.json: expected the metrics of a training")


@pytest.mark.parametrize(
    "text",
    [
        '{"income": 68e3, "house_age": 6.0, "rooms": 7, "bedrooms": 4, "population": 36000}',
        ' \n{"population": 36000, "bedrooms": 4, "rooms": 7, "house_age": 6, "income": 68000}\t',
        '{"\\u0069ncome": 68000, "house_age": 6, "rooms": 7, "bedrooms": 4, "population": 36000}',
    ],
    ids=["exponent", "order and blanks", "escaped key"],
)
def test_the_same_house_may_be_written_in_other_ways(desk, text):
    assert desk.price(text.encode()).body == desk.price(HOUSE).body


def test_an_escaped_list_is_a_list(desk):
    text = json.dumps({"houses": [HOUSE]}).replace("houses", "\\u0068ouses")

    assert desk.price(text.encode()).body == desk.price({"houses": [HOUSE]}).body


# ---- JSON that is wrong --------------------------------------------------------------------------------------------


def house_with(name, text):
    return json.dumps(HOUSE | {name: "XX"}).replace('"XX"', text)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("NaN", "row 1: rooms is NaN, expected a finite number above 0 (rooms per house)."),
        ("Infinity", "row 1: rooms is Infinity, expected a finite number above 0 (rooms per house)."),
        ("-Infinity", "row 1: rooms is -Infinity, expected"),
        ("1e999", "row 1: rooms is 1e999, expected a finite number"),
        ("9" * 5_000, f"row 1: rooms is {'9' * 37}..., expected a finite number"),
        ("-3", "row 1: rooms is -3, expected a finite number above 0"),
        ("0", "row 1: rooms is 0, expected a finite number above 0"),
        ('"7"', "row 1: rooms is '7', expected a finite number"),
        ("null", "row 1: rooms is null, expected"),
        ("true", "row 1: rooms is true, expected"),
        ("[7]", "row 1: rooms is a list of 1, expected"),
        ('{"a": 7}', "row 1: rooms is an object of 1, expected"),
        ('"\\ud800"', "row 1: rooms is '?', expected"),
        ('"a\\nb"', "row 1: rooms is 'a?b', expected"),
    ],
)
def test_a_wrong_value_is_named_by_row_field_and_value(desk, value, says):
    reply = desk.price(house_with("rooms", value).encode())

    assert reply.status == 422
    assert reply.body["error"].startswith(says)
    assert list(reply.body) == ["error"]


def test_the_row_of_a_wrong_value_in_a_list_is_counted_from_one(desk):
    reply = desk.price({"houses": [HOUSE, HOUSE, HOUSE | {"income": -5}]})

    assert reply.status == 422
    assert reply.body["error"] == "row 3: income is -5, expected a finite number above 0 (USD a year)."


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "found an empty body"),
        (b"   ", 400, "found an empty body"),
        (b"{", 400, "found what is none at line 1, column 2"),
        (b'{"income": 01}', 400, "found what is none at line 1"),
        (b"[" * 10_000, 400, "nested too deeply"),
        (b'{"income":' * 1_900, 400, "nested too deeply"),
        (b"\xff\xfe{}", 400, "UTF-8, found another byte at 0"),
        (b"\xef\xbb\xbf{}", 400, "found what is none"),
        (json.dumps(HOUSE).encode() + b"x", 400, "found what is none"),
        (b"[]", 422, "found a list of 0"),
        (b"5", 422, "found 5"),
        (b"NaN", 422, "found NaN"),
        (b'"houses"', 422, "found 'houses'"),
        (b"{}", 422, "row 1: income is missing, expected a finite number above 0 (USD a year)."),
        (json.dumps(HOUSE | {"colour": "red"}).encode(), 422, "row 1: 'colour' is 'red', but no feature of a house"),
        (
            json.dumps(HOUSE).replace("{", '{"rooms": 5, ').encode(),
            422,
            "row 1: 'rooms' stands twice, the second time as 7",
        ),
        (b'{"houses": []}', 422, "houses is an empty list"),
        (b'{"houses": 5}', 422, "houses is 5, expected a list"),
        (b'{"houses": [5]}', 422, "row 1: the house is 5, expected an object"),
        (json.dumps({"houses": [HOUSE], "mode": "fx"}).encode(), 422, "'mode' stands beside houses"),
        (json.dumps({"houses": [HOUSE]} | HOUSE).encode(), 422, "'income' stands beside houses"),
        (b'{"houses": [], "houses": []}', 422, "'houses' stands twice"),
        (json.dumps({"houses": [HOUSE] * 101}).encode(), 413, "expected at most 100 houses, found 101"),
    ],
)
def test_other_json_is_refused_with_a_reason(desk, body, status, says):
    reply = desk.price(body)

    assert reply.status == status
    assert says in reply.body["error"]


def test_a_house_too_large_for_float32_is_refused_by_its_largest_value(desk):
    for body in (HOUSE | {"population": 1e300}, {"houses": [HOUSE | {"population": 1e300}]}):
        reply = desk.price(body)

        assert reply.status == 422
        assert reply.body["error"].startswith("row 1: population is 1e+300, too large for the model")


def test_a_house_with_a_key_twice_in_a_list_is_refused(desk):
    twice = json.dumps({"houses": [HOUSE, HOUSE]}).replace('"rooms": 7', '"rooms": 7, "rooms": 8', 1)

    assert desk.price(twice.encode()).body["error"].startswith("row 1: 'rooms' stands twice, the second time as 8")


# ---- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_another_content_type_is_a_415(desk, kind):
    reply = desk.price(HOUSE, kind)

    assert reply.status == 415
    assert "expected the content type application/json, text/csv, " in reply.body["error"]


def test_a_compressed_body_is_a_415(desk):
    assert desk.price(b"...", **{"content-encoding": "gzip"}).status == 415


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_a_413_and_the_connection_is_closed(desk, is_chunked):
    body = b" " * 20_001
    parts = [body[:15_000], body[15_000:]] if is_chunked else None
    headers = {"content-type": "application/json"} | ({"transfer-encoding": "chunked"} if is_chunked else {})

    (reply,) = desk.ask(("POST", "/v1/price", body, headers, parts))

    assert reply.status == 413
    assert reply.body["error"] == "expected at most 20,000 bytes, found more. Send fewer houses in a request."
    assert (reply.headers.get("connection") == "close") is is_chunked


def test_a_full_queue_is_a_503_that_says_when_to_try_again_and_is_empty_after_the_batch(desk):
    many = json.dumps({"houses": as_objects(HOUSES_NF)}).encode()
    request = ("POST", "/v1/price", many, {"content-type": "application/json"})

    replies = desk.ask(*[request] * 6)  # of 50 houses each; 200 may wait

    assert [reply.status for reply in replies] == [200] * 4 + [503] * 2
    assert replies[-1].headers["retry-after"] == "1"
    assert "200 houses are waiting" in replies[-1].body["error"]
    assert desk.price({"houses": as_objects(HOUSES_NF)}).status == 200


def test_a_request_that_waits_too_long_is_a_504(desk):
    desk.arrived = desk.clock() - 2.5

    reply = desk.price(HOUSE)

    assert reply.status == 504
    assert "no price within 2 s" in reply.body["error"]


def test_before_a_model_is_ready_prices_are_a_503():
    reply = desk_with(None, Limits()).price(HOUSE)

    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"


def test_whoever_leaves_before_the_body_was_sent_is_not_answered(desk):
    replies = []

    async def asked():
        waiting = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

        async def receive():
            return waiting.pop(0)

        async def send(message):
            replies.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/price", "headers": headers}
        await App(desk.service)(scope, receive, send)

    asyncio.run(asked())

    assert replies == []
