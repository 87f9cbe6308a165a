"""The trials against our server, in small: what they say is what it did."""

from __future__ import annotations

import os

import pytest

from benchmarks.serving.desk import Desk, Settings
from benchmarks.serving.hostile import OPTIONS, hostile_trial
from benchmarks.serving.lineup import ours
from benchmarks.serving.metrics import Metrics
from pricebench.traffic.records import Traffic
from tests.server import save_artifacts


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    save_artifacts(folder)
    core = min(os.sched_getaffinity(0))
    return Desk(Settings(artifacts=folder, server_core=core, client_core=core), tmp_path_factory.mktemp("logs"))


def test_hostile_requests_are_counted_alike_on_both_sides_and_the_process_tree_is_known(desk):
    contender = ours("eager", str(desk.settings.artifacts), *OPTIONS)
    with desk.started(contender) as serving:
        trial = hostile_trial(serving, number=150, seed=2, slow=3, house=desk.bodies(Traffic.ONE).texts[0])
        workers = Metrics.of(serving).workers

        # The supervisor and its worker, whose session is its own.
        assert set(serving.pids()) >= {serving.process.pid, *workers.values()}
        assert serving.cpu() > 0
        assert serving.resident() > 50 * 1024 * 1024

    assert trial.num == 150
    assert trial.findings == ()
    assert trial.client["408"] == trial.server["408"] == 3
    answered = {status: number for status, number in trial.client.items() if status != "no answer"}
    assert answered == trial.server
    assert serving.process.returncode == 0
