from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pricebench.gate.processes import Side, process
from pricebench.gate.records import Arm, Pair
from pricebench.gate.rehearsal import Rehearsal, rehearse, shareable
from pricebench.paired.processes import Crew, started
from pricebench.paired.slices import measure_block
from pricebench.paired.worker import WorkerError
from pricebench.paired.workspace import Workspace

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


def test_a_worker_runs_on_its_own_tree_and_says_what_there_is(crew, side):
    (side.tree / "bench.py").write_text("def test_a(benchmark):\n    benchmark(sum, [1])\ndef test_b():\n    pass\n")

    with started(crew, [process(crew, side)], modules=["json"], seed=7) as workers:
        first = workers[Arm.BASE].hear()
        workers[Arm.BASE].say(run=[])
        last = workers[Arm.BASE].hear()

    assert first["collected"] == ["bench.py::test_a"]
    assert first["machine"]["threads"] == 1
    assert last["modules"]["bench"] == str(side.tree / "bench.py")


def test_limited_rounds_are_cut_to_the_time_of_a_benchmark(crew, side):
    (side.tree / "bench.py").write_text("def test_a(benchmark):\n    benchmark.pedantic(sum, ([1],), rounds=100)\n")
    pair = Pair(base="bench.py::test_a", head="bench.py::test_a")

    with started(crew, [process(crew, side)], modules=["json"], seed=7) as workers:
        # By hand: 8 slices of 5 calls of 50 ms are the 2 s that an arm may take.
        block = measure_block(
            workers,
            [pair.case(0.05, with_control=False)],
            number=0,
            seed=0,
            cores=(),
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


def test_a_file_that_cannot_be_imported_is_named_with_its_reason_and_the_rest_is_measured(crew, side):
    (side.tree / "bench.py").write_text("def test_a(benchmark):\n    benchmark(sum, [1])\n")
    (side.tree / "lacking.py").write_text("import no_such_module\n")
    (side.tree / "wrong.py").write_text("def test_a(:\n")
    (side.tree / "choosy.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    files = ("bench.py", "lacking.py", "wrong.py", "choosy.py")

    found = rehearse(crew, replace(side, suite=files), seed=0)

    assert list(found.estimates) == ["bench.py::test_a"]
    assert found.broken == {
        "lacking.py": "ModuleNotFoundError: No module named 'no_such_module'",
        "wrong.py": "SyntaxError: invalid syntax",
    }
    assert "could not import 'no_such_module'" in found.unwanted["choosy.py"]


def test_a_benchmark_that_is_not_there_when_it_is_measured_is_named(crew, side):
    (side.tree / "bench.py").write_text("import no_such_module\n")

    with started(crew, [process(crew, side)], modules=(), seed=7) as workers:
        worker = workers[Arm.BASE]
        worker.hear()
        worker.say(run=["bench.py::test_a"])
        worker.hear()
        with pytest.raises(WorkerError, match=r"bench.py::test_a was there and is not any more \(bench.py: ModuleNotF"):
            worker.hear()


def test_only_what_the_environment_holds_is_shared(tmp_path):
    tree = tmp_path / "base"
    site = tmp_path / "environment" / "site-packages"
    modules = {
        "numpy": str(site / "numpy" / "__init__.py"),
        "sums": str(tree / "src" / "sums" / "__init__.py"),
        # pytest would have to rewrite its assertions.
        "pytest_benchmark.fixture": str(site / "pytest_benchmark" / "fixture.py"),
        "_hypothesis_globals": str(site / "_hypothesis_globals.py"),
        "json": "/usr/lib/python3/json/__init__.py",
        "elsewhere": "/nowhere/elsewhere.py",
        "on_base_only": str(site / "on_base_only.py"),
    }
    base = replace(
        Rehearsal.of_nothing({}),
        modules=modules,
        folders=(site, Path("/usr/lib/python3")),
        plugins=("pytest_benchmark", "_hypothesis_globals"),
    )
    head = replace(base, modules={name: file for name, file in modules.items() if name != "on_base_only"})

    assert shareable(base, head, [tree]) == ["numpy", "json"]


def test_a_worker_says_what_its_environment_holds(crew, side):
    (side.tree / "bench.py").write_text("def test_a(benchmark):\n    benchmark(sum, [1])\n")

    found = rehearse(crew, side, seed=0)

    assert {"pytest_benchmark", "_hypothesis_pytestplugin"} <= set(found.plugins)
    assert {Path(pytest.__file__).parents[1], Path(json.__file__).parents[1]} <= set(found.folders)
