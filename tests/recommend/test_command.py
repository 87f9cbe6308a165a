"""The command on real processes, without a compiler: `.ci/run` has one run with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pricebench.errors import ExitCode
from pricebench.recommend.report import Report, stored_reports

ROOT = Path(__file__).parents[2]


def run(*arguments, reports, compiler="no-such-compiler"):
    return subprocess.run(
        [sys.executable, "-m", "pricebench", "recommend", *arguments, "--reports", str(reports)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CXX": compiler, "COLUMNS": "100"},
        check=False,
    )


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """One run on a model with a loss and a branch, named by its file: five blocks, two kinds of call, eager twice."""
    reports = tmp_path_factory.mktemp("reports")
    file = Path(__file__).with_name("workloads.py").relative_to(ROOT)
    done = run("--workload", f"{file}:branching", "--blocks", "5", "--sizes", "1:3,4:1", reports=reports)
    return done, reports


def test_the_answer_comes_first_and_is_stored(answered):
    done, reports = answered

    stored = Report.load(stored_reports(reports / "recommendations")[0])

    assert done.stdout.startswith("Ship "), done.stderr
    assert done.returncode in (ExitCode.FINE, ExitCode.INCONCLUSIVE)
    assert done.stdout.splitlines()[0].startswith(stored.sentence[:40])
    assert [(share.shape, share.share) for share in stored.need.traffic] == [("single", 0.75), ("full", 0.25)]


def test_every_mode_is_a_row_and_one_that_cannot_take_the_model_or_run_here_says_why(answered):
    _, reports = answered

    stored = Report.load(stored_reports(reports / "recommendations")[0])

    assert [each.mode for each in stored.candidates] == ["eager", "torchscript", "fx", "compile"]
    assert "no C++ compiler" in stored.candidate("compile").why_not
    assert stored.candidate("fx").status == "failed"
    assert "control flow may not depend on values" in stored.candidate("fx").why_not
    for mode in ("eager", "torchscript"):
        candidate = stored.candidate(mode)
        assert candidate.status == "measured"
        assert set(candidate.inference) == {"single", "full", "residual"}
        assert set(candidate.training) == {"full"}
        assert candidate.first_answer_cold > 0
        assert candidate.resident > 50_000_000
        assert candidate.error < 1e-5


def test_blocks_hold_two_runs_of_eager(answered):
    _, reports = answered

    blocks = Report.load(stored_reports(reports / "recommendations")[0]).evidence.blocks

    assert len(blocks) == 5
    assert set(blocks[0].seconds["inference[single]"]) == {"eager", "null", "torchscript"}


def test_a_stored_answer_is_shown_again_as_json(answered, tmp_path):
    _, reports = answered
    path = stored_reports(reports / "recommendations")[0]

    shown = run("--from", str(path), "--json", reports=tmp_path)

    record = json.loads(shown.stdout)
    assert record["workload"] == "branching"
    assert shown.returncode == record["exit_code"]


def test_a_stored_answer_is_shown_as_markdown_with_words_as_code(answered, tmp_path):
    _, reports = answered
    path = stored_reports(reports / "recommendations")[0]

    shown = run("--from", str(path), "--markdown", reports=tmp_path)

    assert shown.stdout.startswith("**`Ship ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workload", "tests.recommend.workloads:raising"), "LookupError: no such weights"),
        (("--workload", "tests.recommend.workloads:missing"), "has no 'missing'"),
        (("--workload", "nowhere"), "expected module:function"),
        (("--workload", "tests.recommend.workloads:build", "--for", "training"), "has no loss"),
        (("--sizes", "many"), "1:0.7,8:0.2,64:0.1"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments, words, tmp_path):
    done = run(*arguments, reports=tmp_path)

    assert done.returncode == ExitCode.BAD_INPUT
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_choice_names_the_known_ones(tmp_path):
    done = run("--for", "speed", reports=tmp_path)

    assert done.returncode == ExitCode.BAD_INPUT
    assert "latency, throughput, training" in done.stderr
