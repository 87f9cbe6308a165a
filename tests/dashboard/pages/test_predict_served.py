"""The page that a running server answers."""

from __future__ import annotations

import json

from tests.dashboard.answering import answering, response
from tests.dashboard.pages.opened import opened, texts, unescaped_marks
from tests.dashboard.stored import EVIL, MARKDOWN
from tests.server import HOUSE


def dollars(amount):
    return f"${amount:,.0f}"


def test_the_price_the_range_and_the_model_are_the_servers(tmp_path, priced_with_token):
    answer = priced_with_token.ask(HOUSE | {"income": 70_000})

    app = opened(tmp_path, "predict", priced_with_token.settings.arguments()[2:], income="70000")

    # Without a model of its own.
    assert not app.exception
    assert app.metric[0].value.replace("\\", "") == dollars(answer["price"])
    low, high = map(dollars, answer["range"].values())
    assert f"9 of 10 such houses cost {low} to {high}." in texts(app)
    assert f"with the model {answer['model'][:12]}." in texts(app)


def test_what_the_server_does_is_shown_beside_it(tmp_path, priced_with_token):
    app = opened(tmp_path, "predict", priced_with_token.settings.arguments()[2:])
    first = {tile.label: tile.value for tile in app.metric}
    for _ in range(20):
        priced_with_token.ask(HOUSE)

    app.run()

    shown = {tile.label: tile.value.replace("\\", "") for tile in app.metric}
    assert first["Requests"] == first["p99"] == "\\-"
    assert shown["Requests"].endswith("/s")
    assert float(shown["Requests"].split()[0]) > 0
    assert shown["p50"].endswith("s")
    assert shown["Rows a batch"] == "1.0"
    assert (shown["Workers ready"], shown["Compilations"], shown["Restarts"]) == ("1", "0", "0")
    assert len(app.get("vega_lite_chart")) == 3
    assert "mode eager" in texts(app)


def test_a_warning_of_the_server_is_shown_and_its_refusal_too(tmp_path, priced_with_token):
    options = priced_with_token.settings.arguments()[2:]

    strange, impossible = (opened(tmp_path, "predict", options, income=income) for income in ("900000", "1e300"))

    assert "income is 900000" in strange.warning[0].value.replace("\\", "")
    assert "more familiar" in texts(strange)
    assert "422" in impossible.error[0].value
    assert "income is 1e+300" in impossible.error[0].value.replace("\\", "")
    # What it does is shown all the same.
    assert "Requests" in [tile.label for tile in impossible.metric]


def test_a_house_that_cannot_be_is_not_sent(tmp_path, priced_with_token):
    app = opened(tmp_path, "predict", priced_with_token.settings.arguments()[2:], income="-5")

    assert [error.value.replace("\\", "") for error in app.error] == ["income is -5, expected above 0 (USD a year)."]


def test_a_server_that_is_gone_is_one_sentence_for_each_question(tmp_path):
    with answering(b"") as (url, _):
        pass

    app = opened(tmp_path, "predict", [f"--server={url}"])

    assert not app.exception
    assert len(app.error) == 2
    assert all("cannot be asked" in error.value for error in app.error)


def test_a_wrong_address_and_a_wrong_token_are_one_sentence(tmp_path):
    (tmp_path / "token").write_text("short")

    address = opened(tmp_path, "predict", ["--server=here"])
    token = opened(tmp_path, "predict", ["--server=http://here", f"--server-token-file={tmp_path / 'token'}"])
    nothing = opened(tmp_path, "predict", ["--server=http://here", f"--server-token-file={tmp_path / 'none'}"])

    assert not address.exception
    assert "expected an address" in address.error[0].value
    assert "expected a token" in token.error[0].value
    assert "No such file" in nothing.error[0].value


def test_nothing_that_a_server_says_is_markup(tmp_path, priced_with_token):
    said = {"price": 1.0, "range": None, "no_range": MARKDOWN, "warnings": [EVIL, MARKDOWN], "model": "<b>*x*"}
    answers = response(json.dumps(said).encode()), response(metrics_of(priced_with_token, model="<i>_y_"))
    refusal = response(json.dumps({"error": f"{EVIL} {MARKDOWN}"}).encode(), status=b"400 Bad Request")

    with answering(*answers) as (url, _):
        priced = opened(tmp_path, "predict", [f"--server={url}"])
    with answering(refusal) as (url, _):
        refused = opened(tmp_path, "predict", [f"--server={url}"])

    for app in (priced, refused):
        assert not app.exception
        assert unescaped_marks(app) == []
        assert EVIL in texts(app)
    assert "with the model <b>*x*." in texts(priced)
    assert "model <i>_y_, mode" in texts(priced)


def metrics_of(priced, *, model):
    """What a server says whose model is called so."""
    page = priced.server.ask("GET", "/metrics", headers={"authorization": f"Bearer {priced.token}"}).body.decode()
    return page.replace(priced.ask(HOUSE)["model"], model).encode()
