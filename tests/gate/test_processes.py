from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from pricebench.gate.environment import worker_environment
from pricebench.gate.measure import Experiment, Pair, measure_block
from pricebench.gate.processes import (
    Crew,
    Side,
    ThreadError,
    Worker,
    WorkerError,
    forkable,
    started,
)
from pricebench.gate.records import Arm
from pricebench.gate.rehearsal import rehearse, shareable
from pricebench.gate.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers talk over inherited sockets")


@pytest.fixture
def crew(tmp_path):
    (tmp_path / "modules").mkdir()
    with Workspace() as workspace:
        yield Crew(
            workspace=workspace,
            root=tmp_path / "nowhere",
            environment={"PYTHONPATH": str(tmp_path / "modules")},
        )


@pytest.fixture
def side(tmp_path):
    (tmp_path / "base").mkdir()
    return Side(arm=Arm.BASE, tree=tmp_path / "base", python=Path(sys.executable), suite=("bench.py",))


@pytest.fixture
def pair(tmp_path, side):
    ours, theirs = socket.socketpair()
    log = tmp_path / "log"
    yield Worker(side, ours, log), theirs, log
    ours.close()
    theirs.close()


def test_a_package_that_starts_a_thread_is_left_to_the_arms(crew, side, tmp_path):
    starts = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    (tmp_path / "modules" / "starts_a_thread.py").write_text(starts)
    (tmp_path / "modules" / "needs_it.py").write_text("import starts_a_thread\n")

    found = forkable(crew, side, ["json", "starts_a_thread", "needs_it", "decimal"])

    assert found == ["json", "decimal"]


def test_arms_are_not_forked_beside_a_thread(crew, side, tmp_path):
    (tmp_path / "modules" / "starts_a_thread.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )

    with (
        pytest.raises(ThreadError, match="starts_a_thread started a thread"),
        started(crew, [side], modules=["starts_a_thread"], seed=0),
    ):
        pass


def test_a_worker_runs_on_its_own_tree_and_says_what_there_is(crew, side):
    (side.tree / "bench.py").write_text("def test_a(benchmark):\n    benchmark(sum, [1])\ndef test_b():\n    pass\n")

    with started(crew, [side], modules=["json"], seed=7) as workers:
        first = workers[Arm.BASE].hear()
        workers[Arm.BASE].say(run=[])
        last = workers[Arm.BASE].hear()

    assert first["collected"] == ["bench.py::test_a"]
    assert first["machine"]["threads"] == 1
    assert last["modules"]["bench"] == str(side.tree / "bench.py")


def test_limited_rounds_are_cut_to_the_time_of_a_benchmark(crew, side):
    (side.tree / "bench.py").write_text("def test_a(benchmark):\n    benchmark.pedantic(sum, ([1],), rounds=100)\n")
    pair = Pair(base="bench.py::test_a", head="bench.py::test_a")

    with started(crew, [side], modules=["json"], seed=7) as workers:
        # By hand: 8 slices of 5 calls of 50 ms are the 2 s that an arm may take.
        block = measure_block(
            workers,
            [pair],
            number=0,
            seed=0,
            cores=(),
            estimates={pair.base: 0.05},
            experiment=Experiment(planted={}),
        )

    assert block.calls == {pair.head: 5}
    assert len(block.seconds[pair.head][Arm.BASE]) == 8


@pytest.mark.parametrize(
    ("body", "outcome", "says"),
    [
        ("benchmark(lambda: 1 / 0)", "failed", "ZeroDivisionError"),
        ("benchmark.pedantic(sum, setup=lambda: 1 / 0)", "failed", "ZeroDivisionError"),
        ("benchmark(pytest.skip, 'not today')", "skipped", "not today"),
        ("benchmark(sum, [1])\n    pytest.skip('not today')", "skipped", "not today"),
        ("benchmark(sum, [1])\n    pytest.xfail('not today')", "skipped", "not today"),
        ("assert benchmark", "failed", "never called it"),
    ],
)
def test_a_benchmark_that_does_not_work_is_named_with_its_reason(crew, side, body, outcome, says):
    (side.tree / "bench.py").write_text(
        f"import pytest\ndef test_a(benchmark):\n    {body}\ndef test_b(benchmark):\n    benchmark(sum, [1])\n"
    )

    found = rehearse(crew, side, seed=0)

    assert list(found.estimates) == ["bench.py::test_b"]
    assert says in getattr(found, outcome)["bench.py::test_a"]


def test_a_suite_that_ends_itself_is_refused(crew, side):
    ends = "import pytest\ndef test_a(benchmark):\n    benchmark(pytest.exit, 'enough')\n"
    (side.tree / "bench.py").write_text(f"{ends}def test_b(benchmark):\n    benchmark(sum, [1])\n")

    with pytest.raises(WorkerError, match="pytest on base ended before all its tests had run"):
        rehearse(crew, side, seed=0)


def test_messages_may_come_in_pieces_and_together(pair):
    worker, theirs, _ = pair
    theirs.sendall(b'{"a": 1}\n{"b"')
    assert worker.hear(1) == {"a": 1}
    theirs.sendall(b": 2}\n")
    assert worker.hear(1) == {"b": 2}
    worker.say(run=["x"])
    assert json.loads(theirs.recv(100)) == {"run": ["x"]}


def test_silence_is_an_error_after_its_limit(pair):
    with pytest.raises(WorkerError, match="pytest on base said nothing for 0 s"):
        pair[0].hear(0.0)


def test_an_end_is_an_error_with_the_last_words(pair):
    worker, theirs, log = pair
    log.write_text("collecting ...\nE   ImportError: no module\n1 error\n")
    theirs.close()

    with pytest.raises(WorkerError, match="pytest on base ended: ImportError: no module"):
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


def test_only_what_the_environment_holds_is_shared(tmp_path):
    tree = tmp_path / "base"
    site = Path(pytest.__file__).parents[1]
    modules = {
        "numpy": str(site / "numpy" / "__init__.py"),
        "sums": str(tree / "src" / "sums" / "__init__.py"),
        # pytest would have to rewrite its assertions.
        "pytest_benchmark.fixture": str(site / "pytest_benchmark" / "fixture.py"),
        "_hypothesis_globals": str(site / "_hypothesis_globals.py"),
        "json": json.__file__,
        "elsewhere": "/nowhere/elsewhere.py",
    }

    assert shareable(modules, [tree]) == ["numpy", "json"]
