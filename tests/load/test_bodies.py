from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.serving.bodies import bodies_for
from pricebench.serving import Predictor
from pricebench.traffic.records import Traffic
from tests.server import save_artifacts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("artifacts")
    save_artifacts(made)
    return made


def answers(folder, body):
    """What a server would say, from the predictor."""
    asked = json.loads(body)
    rows = np.array([list(house.values()) for house in asked.get("houses", [asked])])
    return Predictor.load(folder).predict(rows).round(2).tolist()


@pytest.mark.parametrize("traffic", list(Traffic))
def test_right_prices_are_right_in_every_servers_words_and_others_are_wrong(folder, traffic):
    bodies = bodies_for(folder, traffic, seed=5)
    prices = answers(folder, bodies.texts[7])
    off = [*prices[:-1], prices[-1] + 2 * bodies.tolerance]

    def said(found):
        one = [json.dumps({"price": found[0]})] if len(found) == 1 else []
        many = ({"prices": found}, {"houses": [{"price": price} for price in found]}, found)
        return [(7, text) for text in [*one, *map(json.dumps, many)]]

    assert bodies.tolerance < 1e-4 * min(prices)
    assert bodies.num_wrong(said(prices)) == 0
    assert bodies.num_wrong(said(off)) == len(said(off))
    assert bodies.num_wrong([(7, "{}"), (7, "no JSON"), (7, "[]"), (7, '{"prices": ["x"]}')]) == 4


def test_one_house_is_one_and_many_are_1_to_64(folder):
    one, mixed = (bodies_for(folder, traffic, seed=5) for traffic in Traffic)

    assert {len(price) for price in one.prices} == {1}
    assert "houses" not in json.loads(one.texts[0])
    sizes = {len(price) for price in mixed.prices}
    assert (min(sizes), max(sizes)) == (1, 64)
    assert [len(json.loads(text)["houses"]) for text in mixed.texts] == [len(price) for price in mixed.prices]


def test_a_request_says_how_long_its_body_is(folder):
    bodies = bodies_for(folder, Traffic.ONE, seed=5, lists_only=True)

    head, _, body = bodies.requests("/price")[0].partition("\r\n\r\n")
    assert head.startswith("POST /price HTTP/1.1\r\n")
    assert f"content-length: {len(body)}" in head
    assert len(json.loads(body)["houses"]) == 1
