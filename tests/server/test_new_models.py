"""Models that change while clients are answered."""

from __future__ import annotations

import signal

import pytest

from pricebench.artifacts import CALIBRATION_FILE, METRICS_FILE, MODEL_FILE, STATS_FILE
from pricebench.server.snapshots import FILES, Watch
from tests.server import HOUSE, save_artifacts, served
from tests.server.disturbed import Clients, kill, put, until_ready


@pytest.fixture
def changing(tmp_path):
    """A folder of its own, and another model to put into it."""
    folder, other = tmp_path / "artifacts", tmp_path / "other"
    return folder, save_artifacts(folder), other, save_artifacts(other, seed=4)


def test_a_signal_loads_a_good_model_and_refuses_a_broken_one_while_clients_are_answered(changing):
    folder, first, other, second = changing
    with served(folder, "--workers", 2) as server:
        with Clients(server) as clients:
            clients.wait_for(50)
            # Weights of one training and statistics of another.
            put(other, folder, MODEL_FILE)
            server.process.send_signal(signal.SIGHUP)
            refused = server.heard("the new model is refused, the old one goes on: (.*)")
            clients.wait_for(50)
            assert server.price(HOUSE).body["model"] == first
            assert set(clients.models) == {first}

            # A worker that begins now has what was accepted, not what is in the folder.
            kill(server, 1)
            until_ready(server)
            assert {server.price(HOUSE).body["model"] for _ in range(8)} == {first}

            put(other, folder)
            server.process.send_signal(signal.SIGHUP)
            server.heard(f"switched to the model {second[:12]}")
            clients.wait_for(50)
            assert {server.price(HOUSE).body["model"] for _ in range(8)} == {second}

            # A worker that begins later has the same.
            kill(server, 0)
            until_ready(server)
            assert {server.price(HOUSE).body["model"] for _ in range(8)} == {second}

        metrics = server.metrics()

    assert f"{folder}: expected model.pt and training_stats.pt of one training" in refused[1]
    assert set(clients.counts) <= {200, 503}
    assert clients.counts[503] <= 8
    assert set(clients.models) <= {first, second, None}
    assert metrics["pricebench_refused_reloads_total"] == 1
    assert metrics["pricebench_reloads_total"] == 2
    assert metrics["pricebench_compilations_total"] == 0


def test_a_watched_folder_is_loaded_when_it_has_changed(changing):
    folder, _, other, second = changing
    with served(folder, "--watch") as server:
        put(other, folder)

        server.heard(f"switched to the model {second[:12]}")

        assert server.price(HOUSE).body["model"] == second


def test_a_change_is_told_once_and_when_it_is_over(tmp_path):
    states = iter(["a", "a", "b", "c", "c", "c", "a", "a"])
    watch = Watch(tmp_path, look=lambda _: next(states))

    assert [watch.has_changed() for _ in range(7)] == [False, False, False, True, False, False, True]


def test_the_supervisor_copies_what_training_leaves():
    assert set(FILES) == {MODEL_FILE, STATS_FILE, METRICS_FILE, CALIBRATION_FILE}
