from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from pricebench.cliff.records import Report
from pricebench.files import stored_reports
from pricebench.zygote.process import CAN_FORK
from tests.cliff.made import cell, report
from tests.test_cli import pricebench, unboxed

needs_fork = pytest.mark.skipif(not CAN_FORK, reason="each cell would import torch anew: minutes")


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "stored.json"
    report(
        cell("eager", (1.0, 1.0, 1.0, 1.0)),
        cell("[bold]compile[/bold]", (1.0, 1.0, 1.5, 1.5), first=2.0, stall=1.0, served=("g0", "g1")),
    ).save(path)
    return path


def test_a_stored_report_is_shown_and_its_names_are_text(stored):
    shown = pricebench("cliff", "--from", stored)

    assert shown.returncode == 0
    assert "[bold]compile[/bold]" in shown.stdout
    assert "paid from then on" in shown.stdout


def test_markdown_and_json_are_for_others(stored):
    assert "| arm | graphs |" in pricebench("cliff", "--from", stored, "--markdown").stdout
    assert json.loads(pricebench("cliff", "--from", stored, "--json").stdout)["fingerprint"] == "0123456789"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--arm", "comple"], "No arm is called 'comple'. Did you mean 'compile'?"),
        (["--kind", "both of them"], "--kind is 'both of them', expected inference, training or both."),
        (["--device", "tpu"], "No device is called 'tpu'."),
        (["--workload", "nothing"], "--workload is 'nothing', expected module:function or"),
        (["--workload", "no_such_module:make"], "No module named 'no_such_module'"),
        (["--budget", "soon"], "--budget is 'soon', expected a time such as 600s, 10m or 1h"),
        (["--residual-rows", "2048"], "The residual batch has 2048 rows, expected 4 to 2047"),
        (["--from", "absent.json"], "absent.json: expected a cliff report, found: No such file"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path, arguments, says):
    refused = pricebench("cliff", *arguments, "--reports", tmp_path)

    assert refused.returncode == 2
    assert says in unboxed(refused.stderr)
    assert stored_reports(tmp_path / "cliff") == []


@needs_fork
def test_ctrl_c_leaves_a_report_that_can_be_read(tmp_path):
    command = [sys.executable, "-m", "pricebench", "cliff", "--quick", "--reports", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        # A report appears with the first cell; there are thirty.
        while not (found := stored_reports(tmp_path / "cliff")) or not found[0].stat().st_size:
            assert time.monotonic() < deadline
            assert process.poll() is None
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "which graph served" in output
    partial = Report.load(found[0])
    assert partial.cells
    assert not partial.is_complete


@needs_fork
def test_a_run_that_is_killed_leaves_no_temporary_folder(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "pricebench", "cliff", "--quick", "--arm", "eager", "--reports", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(temporary)}
    )
    try:
        deadline = time.monotonic() + 120
        # Something lies in it: its janitor watches.
        while not list(temporary.glob("pricebench-*/*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            os.sched_yield()
    finally:
        process.kill()
        process.wait()

    deadline = time.monotonic() + 60
    while list(temporary.glob("pricebench-*")):
        assert time.monotonic() < deadline
        os.sched_yield()


@needs_fork
def test_two_runs_at_once_do_not_mix(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pricebench",
        "cliff",
        "--quick",
        "--kind",
        "inference",
        "--reports",
        str(tmp_path),
    ]
    runs = [
        subprocess.Popen([*command, "--arm", arm], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for arm in ("pad", "mark_unbacked")
    ]

    outputs = [run.communicate(timeout=180)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], outputs
    paths = [re.search(r"^wrote (.+)$", output, re.MULTILINE)[1] for output in outputs]
    assert len(set(paths)) == 2
    for path, arm in zip(paths, ("pad", "mark_unbacked"), strict=True):
        found = Report.load(tmp_path / path)
        assert found.is_complete
        assert [cell.arm for cell in found.cells] == ["eager", arm]
