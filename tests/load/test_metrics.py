from __future__ import annotations

from benchmarks.serving.metrics import Metrics
from pricebench.server.board import Board
from pricebench.server.counters import NUMBERS, Counters
from pricebench.server.metrics import text


def page(*answers, **numbers):
    """What a server with one worker shows after some answers."""
    counters = Counters(Board.make(places=1, processes=1, numbers=NUMBERS).numbers(0))
    for endpoint, status in answers:
        counters.request(endpoint, status, 0.001)
    for name, value in {"pid": 77, "threads": 1, "is_ready": 1}.items() | numbers.items():
        counters.set(name, value)
    return text([counters], model="0" * 64, mode="eager").decode()


def test_the_servers_own_page_is_read():
    found = Metrics.parse(
        page(("price", 200), ("price", 200), ("price", 422), ("other", 503), restarts=2, compilations=1)
    )

    assert found.requests == {"200": 2, "422": 1, "503": 1}
    assert found.priced == {"200": 2, "422": 1}
    assert found.refused == 1
    assert (found.restarts, found.compilations, found.num_ready) == (2, 1, 1)
    assert found.workers == {0: 77}


def test_what_came_in_between_is_without_the_look_before():
    before = Metrics.parse(page(("price", 200)))
    after = Metrics.parse(page(("price", 200), ("other", 200), ("price", 200), ("price", 400)))

    assert after.since(before) == {"200": 1, "400": 1}
