from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.dashboard.live import SHOWN, WINDOW, Live, MetricsError, Reading, batches_frame
from pricebench.server.board import Board
from pricebench.server.counters import NUMBERS, Counters
from pricebench.server.metrics import text


class Counting:
    """What a server has counted, and how it says so."""

    def __init__(self):
        self.counters = Counters(Board.make(places=1, processes=1, numbers=NUMBERS).numbers(0))
        self.counters.set("threads", 1)

    def reading(self, at):
        return Reading.from_text(text([self.counters], model="abc", mode="fx").decode(), at=at)


def test_a_page_is_read_as_it_was_counted():
    server = Counting()
    for endpoint, status, seconds in (
        ("price", 200, 1e-3),
        ("infer", 200, 3e-3),
        ("other", 200, 1.0),
        ("price", 422, 0),
    ):
        server.counters.request(endpoint, status, seconds)
    server.counters.batch(3, 1e-3)
    for name, value in {"is_ready": 1, "connections": 5, "waiting_rows": 7, "compilations": 2, "restarts": 4}.items():
        server.counters.set(name, value)

    found = server.reading(10.0)

    # Health, metrics and documents are no requests for prices.
    assert found.latency.num_values == 3
    assert found.latency.mean == pytest.approx(4e-3 / 3)
    assert (found.num_refused, found.num_batches, found.batch_rows.mean) == (1, 1, 3)
    assert (found.num_ready, found.num_connections, found.num_waiting) == (1, 5, 7)
    assert (found.num_compilations, found.num_restarts) == (2, 4)
    assert (found.model, found.mode) == ("abc", "fx")


def test_rates_and_percentiles_are_of_the_last_half_minute():
    server, live = Counting(), Live()
    for at in (0.0, 20.0, 40.0):
        live.add(server.reading(at))
        for _ in range(100):
            server.counters.request("price", 200, 1.5e-3 if at else 1.0)
            server.counters.batch(8, 1e-3)
    live.add(server.reading(50.0))

    lately = live.lately()

    # From 20 s on: two hundred requests, all of them between one and two milliseconds.
    assert lately.seconds == WINDOW == 30.0
    assert lately.per_second == pytest.approx(200 / 30)
    assert lately.latency.quantile(0.5) == pytest.approx(1.5e-3)
    assert lately.latency.quantile(0.99) == pytest.approx(1.99e-3)
    assert batches_frame(lately.batch_rows).set_index("rows")["batches"].to_dict() == {
        "1": 0,
        "2": 0,
        "3 to 4": 0,
        "5 to 8": 200,
    }
    assert live.frame()["ago"].tolist() == [-30.0, -10.0, 0.0]
    assert live.frame()["per_second"].tolist() == [5.0, 5.0, 10.0]
    assert live.frame()["p50"].isna().sum() == 0


def test_one_reading_says_nothing_about_rates():
    live = Live()
    live.add(Counting().reading(0.0))

    assert live.lately() is None
    assert live.frame().empty


def test_while_nothing_is_asked_there_are_no_percentiles():
    server, live = Counting(), Live()
    for at in (0.0, 2.0):
        live.add(server.reading(at))

    assert live.lately().per_second == 0.0
    assert live.lately().latency.quantile(0.99) is None
    assert live.frame()["p99"].isna().all()
    assert batches_frame(live.lately().batch_rows).empty


def test_a_server_that_began_anew_is_not_compared_with_the_one_before():
    old, new, live = Counting(), Counting(), Live()
    for _ in range(10):
        old.counters.request("price", 200, 1e-3)
    live.add(old.reading(0.0))

    live.add(new.reading(2.0))

    assert live.lately() is None
    assert live.newest.latency.num_values == 0


def test_old_readings_are_forgotten_and_a_pause_is_bridged():
    server, live = Counting(), Live()
    for at in (0.0, 1.0, SHOWN + 1.0):
        live.add(server.reading(at))

    assert live.lately().seconds == SHOWN
    assert len(live.frame()) == 1


PAGE = text([Counting().counters], model="m", mode="eager").decode()


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "<html>",
        "x 1\n",
        PAGE.replace('le="+Inf"', 'le="9"'),
        PAGE.replace("pricebench_batches", "other"),
        "{",
        "a{b",
    ],
)
def test_another_text_is_one_sentence(wrong):
    with pytest.raises(MetricsError, match="expected the metrics of a pricebench serve, found another text"):
        Reading.from_text(wrong, at=0.0)


@given(st.integers(0, len(PAGE)), st.text(max_size=5), st.integers(0, 40))
def test_a_damaged_page_is_read_or_refused(start, put, num_gone):
    try:
        Reading.from_text(PAGE[:start] + put + PAGE[start + num_gone :], at=0.0)
    except MetricsError as error:
        assert "found another text" in str(error)  # noqa: PT017 - reading it is right too
