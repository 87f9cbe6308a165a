"""Once it is ready nothing is compiled, whatever sizes are asked for: a server in the mode that compiles."""

from __future__ import annotations

import json
import os
import random
import signal

import pytest

from pricebench.data import make_houses
from pricebench.modes.compile import MODE as COMPILE
from tests.server import JSON, save_artifacts, served
from tests.server.disturbed import put
from tests.server.test_price_tables import as_csv
from tests.serving import exact_dollars, untrained_artifacts

HOUSES_NF = make_houses(5_000, seed=7).features_NF


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    if reason := COMPILE.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("compiled") / "artifacts"
    save_artifacts(folder)
    with served(folder, "--mode", "compile", wait=False) as server:
        server.heard("^ready:", seconds=200)
        yield server, folder


def prices_of(server, num_rows):
    reply = server.ask("POST", "/v1/price", as_csv(HOUSES_NF[:num_rows]), {"content-type": "text/csv"})
    assert reply.status == 200
    return [float(line.split(",")[0]) for line in reply.body.decode().splitlines()[1:]]


def test_random_sizes_from_1_to_5000_compile_nothing_and_have_the_prices_of_float64(compiled):
    server, _ = compiled
    exact_N, tolerance_N = exact_dollars(untrained_artifacts(), HOUSES_NF)
    sizes = [1, 2, 8, 9, 64, 65, 512, 2_047, 2_048, 2_049, 5_000, *random.Random(5).sample(range(1, 5_001), 60)]  # noqa: S311

    for size in sizes:
        found_N = prices_of(server, size)
        assert len(found_N) == size
        assert (abs(found_N - exact_N[:size]) <= tolerance_N[:size] + 0.005).all()

    server.until(lambda: server.metrics()["pricebench_batches_total"] >= len(sizes))
    assert server.metrics()["pricebench_compilations_total"] == 0


def test_a_new_model_is_compiled_beside_the_old_one_and_nothing_after_it(compiled, tmp_path):
    server, folder = compiled
    second = save_artifacts(tmp_path, seed=4)
    put(tmp_path, folder)
    os.kill(server.process.pid, signal.SIGHUP)

    asked = 0
    while not any("switched to" in line for line in server.lines):
        assert server.ask("POST", "/v1/price", json.dumps({"houses": []}), JSON).status == 422
        assert len(prices_of(server, 3)) == 3
        asked += 1
    for size in (1, 3, 100, 2_049):
        assert len(prices_of(server, size)) == size

    assert asked
    assert server.metrics()[f'pricebench_model{{mode="compile",model="{second}"}}'] == 1
    assert server.metrics()["pricebench_compilations_total"] == 0
