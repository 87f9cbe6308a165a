from __future__ import annotations

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pricebench.paired.environment import worker_environment
from pricebench.paired.processes import Crew, Starter, ThreadError, forkable, started
from pricebench.paired.worker import Process, Worker, WorkerError
from pricebench.paired.workspace import Workspace

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers talk over inherited sockets")


@pytest.fixture
def crew(tmp_path):
    (tmp_path / "modules").mkdir()
    with Workspace() as workspace:
        yield Crew(workspace=workspace, environment={"PYTHONPATH": str(tmp_path / "modules")})


@pytest.fixture
def process(tmp_path):
    return Process(arm="eager", folder=tmp_path, python=Path(sys.executable), target="none:none")


@pytest.fixture
def pair(tmp_path, process):
    ours, theirs = socket.socketpair()
    log = tmp_path / "log"
    yield Worker(process, ours, log), theirs, log
    ours.close()
    theirs.close()


def test_a_package_that_starts_a_thread_is_left_to_the_arms(crew, process, tmp_path):
    starts = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    (tmp_path / "modules" / "starts_a_thread.py").write_text(starts)
    (tmp_path / "modules" / "needs_it.py").write_text("import starts_a_thread\n")

    found = forkable(crew, process, ["json", "starts_a_thread", "needs_it", "decimal"])

    assert found == ["json", "decimal"]


def test_arms_are_not_forked_beside_a_thread(crew, process, tmp_path):
    (tmp_path / "modules" / "starts_a_thread.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )

    with (
        pytest.raises(ThreadError, match="starts_a_thread started a thread"),
        started(crew, [process], modules=["starts_a_thread"], seed=0),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="processes are kept on cores")
def test_arms_may_prepare_themselves_before_their_block_begins_on_the_cores_that_they_may_use(crew, process):
    target = {"target": "tests.paired.workers:pretend", "arguments": {"sums": 1.0}, "path": (str(ROOT),)}

    with Starter(crew, [replace(process, **target)], modules=["json"], seed=0, at_once=True) as starter:
        starter.use(crew.spare)
        # Nobody called `fork`.
        said = starter.workers["eager"].hear()

    assert said == {"collected": ["sums"], "machine": {"cores": crew.spare or list(crew.cores)}}


def test_what_a_process_said_last_is_quoted(crew, process):
    says = "eager ended: ModuleNotFoundError: No module named 'none'"
    with started(crew, [process], modules=(), seed=0) as workers, pytest.raises(WorkerError, match=says) as raised:
        workers["eager"].hear()
    assert raised.value.arm == "eager"


def test_messages_may_come_in_pieces_and_together(pair):
    worker, theirs, _ = pair
    theirs.sendall(b'{"a": 1}\n{"b"')
    assert worker.hear(1) == {"a": 1}
    theirs.sendall(b": 2}\n")
    assert worker.hear(1) == {"b": 2}
    worker.say(run=["x"])
    assert json.loads(theirs.recv(100)) == {"run": ["x"]}


def test_silence_is_an_error_after_its_limit(pair):
    with pytest.raises(WorkerError, match="eager said nothing for 0 s"):
        pair[0].hear(0.0)


def test_an_end_is_an_error_with_the_last_words(pair):
    worker, theirs, log = pair
    log.write_text("collecting ...\nE   ImportError: no module\n1 error\n")
    theirs.close()

    with pytest.raises(WorkerError, match="eager ended: ImportError: no module"):
        worker.hear(1)


def test_what_a_shell_holds_does_not_reach_the_workers(monkeypatch):
    for name in ("PYTEST_ADDOPTS", "PYTHONPATH", "TORCH_COMPILE_JOB_ID", "GIT_DIR"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("KEPT", "x")

    found = worker_environment(threads=1, seed=3)

    assert found["KEPT"] == "x"
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["PYTHONHASHSEED"] == "3"
    assert {"PYTEST_ADDOPTS", "PYTHONPATH", "TORCH_COMPILE_JOB_ID", "GIT_DIR"}.isdisjoint(found)
