from __future__ import annotations

import os
from pathlib import Path

import pytest

from pricebench.cliff.launcher import Launcher, Setting, environment
from pricebench.cliff.schedule import Kind, Step
from pricebench.zygote.client import ChildError
from pricebench.zygote.process import CAN_FORK
from tests.cliff.workloads import CRASHES, HANGS, RAISES

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="each cell would import torch anew: minutes")


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cliff")
    setting = Setting(
        workload="tests.cliff.workloads:troubled", residual_rows=40, threads=1, counts_only=True, time_limit=2.0
    )
    with Launcher(setting, folder, []) as launcher:
        yield launcher


@pytest.fixture
def cell(launcher, tmp_path):
    with launcher.cell("eager", Kind.INFERENCE, tmp_path) as cell:
        yield cell


def step(rows):
    return Step(name=f"{rows} rows", rows=rows)


def test_a_crash_is_an_error_that_names_the_signal(cell):
    with pytest.raises(ChildError, match="the process ended \\(signal SIGKILL\\)"):
        cell.call(step(CRASHES))


def test_a_hang_is_ended_at_the_time_limit(cell):
    with pytest.raises(ChildError, match="no answer within 2 s; ended"):
        cell.call(step(HANGS))


def test_an_exception_is_a_finding_of_that_call_alone(cell):
    raised, fine = cell.call(step(RAISES)), cell.call(step(5))

    assert raised.failure == "LookupError: no such house"
    assert (fine.failure, fine.rows_run) == ("", 5)


def test_cells_after_a_crash_are_new_processes(launcher, tmp_path):
    children = []
    for _ in range(2):
        with launcher.cell("eager", Kind.TRAINING, tmp_path) as cell:
            children.append(launcher.zygote._child)
            assert cell.call(step(64)).failure == ""

    assert len({os.getpid(), *children}) == 3
    for child in children:
        assert not Path(f"/proc/{child}").exists()


def test_an_arm_that_is_not_here_says_why(launcher, tmp_path):
    with (
        pytest.raises(ChildError, match="not available: CUDA graphs need --device cuda"),
        launcher.cell("reduce_overhead", Kind.INFERENCE, tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        ("tests.cliff.workloads:broken", "ValueError: no workload with 1207 rows today"),
        ("tests.cliff.workloads:absent", "absent cannot be found: tests.cliff.workloads has no 'absent'"),
        ("no_such_module:make", "cannot be imported: ModuleNotFoundError: No module named .no_such_module."),
    ],
)
def test_a_workload_that_cannot_be_made_says_why(tmp_path, launcher, monkeypatch, workload, says):
    monkeypatch.setattr(launcher, "_setting", Setting(workload=workload, counts_only=True))

    with pytest.raises(ChildError, match=says), launcher.cell("eager", Kind.INFERENCE, tmp_path):
        pass


def test_what_would_change_the_measurement_is_taken_out_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_COMPILE_JOB_ID", "remembers shapes")
    monkeypatch.setenv("HOUSE", "kept")

    found = environment(tmp_path)

    assert "TORCH_COMPILE_JOB_ID" not in found
    assert (found["HOUSE"], found["TMPDIR"]) == ("kept", str(tmp_path))
