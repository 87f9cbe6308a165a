"""Endpoints that are not about prices, and what holds for all of them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricebench.data import FEATURES
from pricebench.server import counters
from pricebench.server.app import ROUTES, App
from pricebench.server.limits import Limits
from pricebench.server.openapi import specification
from pricebench.server.request_log import RequestLog
from tests.server import HOUSE, desk_with

KINDS = ("application/json", "text/csv", "application/vnd.apache.arrow.stream")
INFER = "/v2/models/house-prices/infer"

# ---- nothing that is sent is an exception --------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FEATURES, "houses", "x"]), inner, max_size=7)
    ),
    max_leaves=20,
)
houses_nearly = st.fixed_dictionaries(
    {name: st.floats(0.01, 1e6) | st.integers(1, 10**6) | json_values for name in FEATURES}
)
ANY_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY_FIXTURE
@given(body=st.binary(max_size=300), kind=st.sampled_from(KINDS))
def test_any_bytes_are_answered_with_a_price_or_a_reason(desk, body, kind):
    reply = desk.price(body, kind)

    assert reply.status == 200 or 400 <= reply.status < 500


@ANY_FIXTURE
@given(value=json_values | houses_nearly | st.fixed_dictionaries({"houses": st.lists(houses_nearly, max_size=5)}))
def test_any_json_is_answered_with_a_price_or_a_reason(desk, value):
    reply = desk.price(json.dumps(value).encode())

    assert reply.status in (200, 400, 422)
    if reply.status != 200:
        assert set(reply.body) == {"error"}
        assert reply.body["error"].isprintable()


@ANY_FIXTURE
@given(
    value=st.fixed_dictionaries(
        {
            "inputs": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.just("features") | st.text(max_size=5),
                        "datatype": st.sampled_from(["FP64", "FP32", "x"]),
                    },
                    optional={
                        "shape": st.lists(st.integers(-2, 6) | st.integers(), max_size=3) | st.just([1, 5]),
                        "data": st.lists(st.floats() | json_values, max_size=6),
                        "parameters": st.dictionaries(
                            st.sampled_from(["binary_data_size", "x"]), json_values, max_size=2
                        ),
                    },
                ),
                max_size=2,
            )
        }
    ),
    length=st.none() | st.integers(-1, 200),
)
def test_any_inference_request_is_answered_with_a_price_or_a_reason(desk, value, length):
    headers = {} if length is None else {"inference-header-content-length": length}

    (reply,) = desk.ask(("POST", INFER, json.dumps(value).encode(), headers))

    assert reply.status == 200 or 400 <= reply.status < 500


def test_a_fault_of_ours_is_a_500_without_a_traceback(model, capsys):
    class Broken:
        digest = model.digest

        def predict(self, features):  # noqa: ARG002
            raise ArithmeticError("a secret of this machine")

    reply = desk_with(Broken(), Limits()).price(HOUSE)

    assert reply.status == 500
    assert "secret" not in json.dumps(reply.body)
    assert "a secret of this machine" in capsys.readouterr().err


# ---- a token -------------------------------------------------------------------------------------------------------

TOKEN = "a-token-of-32-letters-and-digits"  # noqa: S105


@pytest.mark.parametrize("path", [*ROUTES, "/v2/models/house-prices", INFER])
def test_everything_but_health_needs_the_token(model, path):
    desk = desk_with(model, Limits(), token=TOKEN)
    method = "POST" if path in ("/v1/price", INFER) else "GET"

    (reply,) = desk.ask((method, path))

    is_open = "health" in path
    assert (reply.status == 401) is not is_open
    if not is_open:
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "brought",
    [TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", f"Bearer x {TOKEN}", "Bearer é"],
)
def test_another_token_is_refused(model, brought):
    assert desk_with(model, Limits(), token=TOKEN).price(HOUSE, authorization=brought).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_is_let_in(model, scheme):
    assert desk_with(model, Limits(), token=TOKEN).price(HOUSE, authorization=f"{scheme} {TOKEN}").status == 200


# ---- its description -----------------------------------------------------------------------------------------------


def test_the_document_describes_every_path_there_is(desk):
    (reply,) = desk.ask(("GET", "/openapi.json"))

    paths = reply.body["paths"]
    described = {(path, method.upper()) for path, item in paths.items() for method in item if method in ("get", "post")}
    assert {(path, route.method) for path, route in ROUTES.items()} <= described
    for path, method in described:
        (found,) = desk.ask((method, path.replace("{version}", "x")))
        assert found.status != 405
        assert found.status != 404 or "{version}" in path
    assert reply.body["components"]["schemas"]["House"]["required"] == list(FEATURES)


def test_what_the_document_says_can_be_answered_is_what_is_counted():
    responses = [
        set(operation["responses"])
        for item in specification(has_token=True, most_rows=10)["paths"].values()
        for name, operation in item.items()
        if name in ("get", "post")
    ]

    assert {int(status) for each in responses for status in each} <= set(counters.STATUSES)


def test_its_examples_are_answered(desk):
    found = specification(has_token=False, most_rows=10)
    price = found["paths"]["/v1/price"]["post"]["requestBody"]["content"]

    assert desk.price(found["components"]["schemas"]["House"]["example"]).status == 200
    assert desk.price(price["text/csv"]["example"].encode(), "text/csv").status == 200
    inference = json.dumps(found["components"]["schemas"]["Inference"]["example"]).encode()
    assert desk.ask(("POST", INFER, inference, {}))[0].status == 200


def test_the_page_loads_nothing_from_anywhere_else(desk):
    (reply,) = desk.ask(("GET", "/docs"))

    page = reply.body.decode()
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert re.findall(r"(?:src|href)=['\"]?([^'\" >]+)", page) == ["/openapi.json"]
    assert "<script" not in page
    assert all(path in page for path in ROUTES)


# ---- a line per request --------------------------------------------------------------------------------------------


def test_a_line_per_request_says_how_it_went_and_nothing_of_the_house(desk, tmp_path):
    log = RequestLog.open(str(tmp_path / "log"), 3)
    asked = [
        ("POST", "/v1/price", json.dumps({"houses": [HOUSE] * 2}), 200),
        ("POST", "/v1/price", json.dumps(HOUSE | {"income": "68000 is a secret"}), 422),
        ("GET", "/v1/price/68000", "", 404),
    ]

    desk.log = log
    for method, path, body, status in asked:
        (reply,) = desk.ask((method, path, body.encode(), {"content-type": "application/json"}))
        assert reply.status == status

    text = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["method"], line["path"], line["status"], line["houses"], line["worker"]) for line in lines] == [
        ("POST", "/v1/price", 200, 2, 3),
        ("POST", "/v1/price", 422, 0, 3),
        ("GET", "", 404, 0, 3),
    ]
    assert "68000" not in text


def test_no_log_is_the_default(desk):
    assert App(desk.service)._log is None
