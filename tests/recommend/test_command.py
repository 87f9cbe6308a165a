"""The command on real processes, compiler included, with a budget for one block."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pricebench.errors import ExitCode
from pricebench.files import stored_reports
from pricebench.modes import MODES
from pricebench.recommend.report import Report

ROOT = Path(__file__).parents[2]


def run(*arguments, reports):
    return subprocess.run(
        [sys.executable, "-m", "pricebench", "recommend", *arguments, "--reports", str(reports)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        check=False,
    )


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """One run, of a model with a branch that is named by its file."""
    reports = tmp_path_factory.mktemp("reports")
    file = Path(__file__).with_name("workloads.py").relative_to(ROOT)
    done = run("--workload", f"{file}:branching", "--budget", "1s", "--sizes", "1:3,4:1", reports=reports)
    assert done.returncode == ExitCode.INCONCLUSIVE, done.stderr
    return done, stored_reports(reports / "recommendations")[0]


def test_the_answer_comes_first_and_is_stored(answered):
    done, path = answered

    stored = Report.load(path)

    assert done.stdout.splitlines()[0] == stored.sentence
    assert stored.sentence.startswith("No answer yet: 1 block fitted into the budget, and the first ranking needs 5.")
    assert stored.sentence.endswith("Run again with a larger --budget.")
    assert [(share.shape, share.share) for share in stored.need.traffic] == [("single", 0.75), ("full", 0.25)]


def test_every_mode_is_a_row_and_one_that_cannot_take_the_model_says_why(answered):
    stored = Report.load(answered[1])

    assert [each.mode for each in stored.candidates] == ["eager", "torchscript", "fx", "compile"]
    assert stored.candidate("fx").status == "failed"
    assert "control flow may not depend on values" in stored.candidate("fx").why_not
    for mode in ("eager", "torchscript", "compile"):
        candidate = stored.candidate(mode)
        if mode == "compile" and MODES[-1].missing():
            assert MODES[-1].missing() in candidate.why_not
            continue
        assert candidate.status == "measured"
        # The budget was spent before the first block: the traffic alone is measured.
        assert set(candidate.inference) == {"single", "full"}
        assert not candidate.training
        assert candidate.first_answer_cold > 0
        assert candidate.resident > 50_000_000
        assert candidate.error < 1e-5


def test_breaks_of_the_compiled_graph_come_with_file_and_line(answered):
    compiled = Report.load(answered[1]).candidate("compile")
    if compiled.status != "measured":
        pytest.skip(compiled.why_not)

    (found,) = compiled.graph_breaks

    lines = Path(__file__).with_name("workloads.py").read_text().splitlines()
    assert found["file"] == "workloads.py"
    assert "if x.sum().item() > 0" in lines[found["line"] - 1]


def test_a_block_holds_two_runs_of_eager(answered):
    (block,) = Report.load(answered[1]).evidence.blocks

    assert {"eager", "null", "torchscript"} <= set(block.seconds["inference[single]"])


def test_a_stored_answer_is_shown_again_as_json(answered, tmp_path):
    shown = run("--from", str(answered[1]), "--json", reports=tmp_path)

    record = json.loads(shown.stdout)
    assert record["workload"] == "branching"
    assert shown.returncode == record["exit_code"]


def test_a_stored_answer_is_shown_as_markdown_with_words_as_code(answered, tmp_path):
    shown = run("--from", str(answered[1]), "--markdown", reports=tmp_path)

    assert shown.stdout.startswith("**`No answer yet: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workload", "tests.recommend.workloads:raising"), "LookupError: no such weights"),
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
