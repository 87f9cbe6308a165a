from __future__ import annotations

import json
import socket

import pytest

from pricebench.cli import main
from pricebench.dashboard.live import Reading
from pricebench.dashboard.price_server import TOKEN_VARIABLE, PriceServer, PriceServerError, price_server
from pricebench.dashboard.settings import Settings
from pricebench.server.token_file import TokenError
from tests.dashboard.answering import answering, response
from tests.server import HOUSE

FEATURES = list(HOUSE.values())
ANSWER = {"price": 5.5, "range": {"low": 4, "high": 7}, "warnings": ["odd"], "model": "abc"}


def asked(answer, **settings):
    """What becomes of a price that another server answered so."""
    with answering(answer) as (url, received):
        try:
            return PriceServer(url=url, **settings).price(FEATURES), received
        except PriceServerError as error:
            return str(error).replace(url, "URL"), received


# ---- a server of ours ----------------------------------------------------------------------------------------------


def test_a_price_its_range_and_the_model_are_those_of_the_server(priced_with_token):
    server = price_server(priced_with_token.settings)

    price = server.price(FEATURES)

    answer = priced_with_token.ask(HOUSE)
    assert price.dollars == answer["price"]
    assert price.most == (answer["range"]["low"], answer["range"]["high"])
    assert (price.warnings, price.model) == ((), answer["model"])


def test_a_house_that_training_does_not_know_has_a_warning_and_no_range(priced_with_token):
    price = price_server(priced_with_token.settings).price([900_000, *FEATURES[1:]])

    assert price.most is None
    assert "more familiar" in price.no_range
    assert "income is 900000" in price.warnings[0]


def test_its_metrics_are_read(priced_with_token):
    server = price_server(priced_with_token.settings)
    before = Reading.from_text(server.metrics(), at=0.0)
    server.price(FEATURES)

    after = Reading.from_text(server.metrics(), at=1.0)

    assert after.latency.num_values == before.latency.num_values + 1
    assert (after.mode, after.num_ready, after.num_compilations) == ("eager", 1, 0)


def test_a_refusal_is_told_in_the_servers_words(priced_with_token):
    with pytest.raises(PriceServerError, match=r"refuses, with the HTTP status 422: .*income"):
        price_server(priced_with_token.settings).price([-1.0, *FEATURES[1:]])


def test_the_token_comes_from_a_file_or_the_environment_and_a_server_that_wants_another_is_one_sentence(
    priced_with_token,
):
    given = priced_with_token.settings
    url, token = given.server, given.server_token_file.read_text()
    alone = Settings(server=url)

    assert price_server(alone, {TOKEN_VARIABLE: token}).price(FEATURES)
    with pytest.raises(PriceServerError, match=f"{url} wants a token. Give its own with --server-token-file FILE"):
        price_server(alone, {}).price(FEATURES)
    with pytest.raises(PriceServerError, match=f"{url} refuses this token"):
        price_server(alone, {TOKEN_VARIABLE: "another-token-that-is-long"}).metrics()
    assert token.strip() not in repr(price_server(given))


# ---- other servers, and none ---------------------------------------------------------------------------------------


def test_where_nobody_listens_the_sentence_says_how_to_start_one():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(
        PriceServerError, match=f"^http://127.0.0.1:{port} cannot be asked: .*refused. Start one: price"
    ):
        PriceServer(url=f"http://127.0.0.1:{port}").price(FEATURES)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (response(b"<html>"), "URL did not answer with a price: it is no JSON. Is it a pricebench serve?"),
        (
            response(b"[" * 100_000),
            "URL did not answer with a price: it is no JSON. Is it a pricebench serve?",
        ),
        (
            response(b'{"price": "5"}'),
            "URL did not answer with a price: price: expected dollars, found '5'. Is it a pricebench serve?",
        ),
        (
            response(b'{"price": NaN}'),
            "URL did not answer with a price: price: expected dollars, found nan. Is it a pricebench serve?",
        ),
        (
            response(json.dumps(ANSWER | {"range": {"low": 1}}).encode()),
            "URL did not answer with a price: high: expected dollars, found null. Is it a pricebench serve?",
        ),
        (response(b"", status=b"404 Not Found"), "URL answers with the HTTP status 404. Is it a pricebench serve?"),
        (
            response(b'{"error": "no"}', status=b"503 Service Unavailable"),
            "URL refuses, with the HTTP status 503: no",
        ),
        (b"SSH-2.0-x\r\n", "URL does not speak HTTP (BadStatusLine). Is it a pricebench serve?"),
        (b"", "URL cannot be asked: Remote end closed connection without response. Start one: pricebench serve."),
        (response(b"x" * (1 << 20) + b"x"), "URL answers with more than 1,048,576 bytes. Is it a pricebench serve?"),
    ],
)
def test_another_answer_is_one_sentence(answer, sentence):
    assert asked(answer)[0] == sentence


def test_an_answer_that_does_not_end_is_given_up():
    times = iter([0.0, 1.0, 6.0])
    started = response(b"").replace(b"content-length: 0", b"content-length: 1000000") + b"x" * 100_000

    found, _ = asked(started, clock=lambda: next(times))

    assert found == "URL did not answer within 5 s. Is it busy, or hung?"


def test_a_redirection_gets_no_token():
    with answering(response(b"")) as (elsewhere, received):
        moved = response(b"", status=b"307 Temporary Redirect", headers=[f"location: {elsewhere}/v1/price".encode()])

        found, asked_here = asked(moved, token="a-token-of-some-length")  # noqa: S106 - of this test

    assert found == "URL answers with the HTTP status 307. Is it a pricebench serve?"
    assert b"authorization: Bearer a-token-of-some-length" in asked_here[0]
    assert received == []


def test_a_path_in_front_of_the_servers_own_is_kept():
    with answering(response(json.dumps(ANSWER).encode())) as (url, received):
        price_server(Settings(server=f"{url}/prices/")).price(FEATURES)

    assert received[0].startswith(b"POST /prices/v1/price HTTP/1.1\r\n")


# ---- what it is given ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8600",
        "file:///etc/passwd",
        "ftp://here",
        "http://",
        "http://here:x",
        "http://here:70000",
        "http://[::1",
        "http://me:secret@here",
        "http://here/?a=b",
        "http://here/#a",
        "http://he re",
        "http://here/\r\nx: y",
        "",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(url):
    with pytest.raises(
        PriceServerError, match=r"^--server: expected an address such as http://127.0.0.1:8600"
    ) as refused:
        price_server(Settings(server=url), {})

    assert "secret" not in str(refused.value)


def test_without_a_server_there_is_none_and_a_token_for_none_is_refused(tmp_path):
    assert price_server(Settings(), {TOKEN_VARIABLE: "a-token-of-some-length"}) is None
    with pytest.raises(PriceServerError, match="--server-token-file: expected a server that it is for"):
        price_server(Settings(server_token_file=tmp_path / "token"))


def test_a_token_in_the_environment_is_held_to_the_same_rules_as_one_in_a_file():
    with pytest.raises(TokenError, match=f"^{TOKEN_VARIABLE}: expected a token of at least 16"):
        price_server(Settings(server="http://here"), {TOKEN_VARIABLE: "short"})


def test_a_wrong_address_ends_the_command_before_a_page_is_served(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", "--server", "here"])

    assert ended.value.code == 2
    assert "--server: expected an address" in capsys.readouterr().err
