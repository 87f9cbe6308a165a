from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.history.making import entry, run, store
from tests.limits.made import limits
from tests.test_cli import pricebench

COMMITTED = Path(__file__).parents[1] / "reports"
EVIL = "test_<script>alert(1)</script>[a|b`c]"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRICEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Twelve quiet runs, eight a fifth slower, and a file that is none."""
    place = tmp_path / "runs"
    for number in range(20):
        level = (1.0 if number < 12 else 1.2) + 0.01 * (number % 2)
        store(place, run(entry("test_f[eager]", median=level), entry("test_g[eager]"), number=number))
    (place / "bad.json").write_text("{")
    return place


def history(*arguments):
    return pricebench("history", *arguments)


def test_list_is_newest_first_with_the_files_that_are_no_runs(folder):
    result = history("list", "--from", folder, "--limit", 3)

    assert result.returncode == 0
    runs = re.findall(r"0123456789/(\d{4})_", result.stdout)
    assert runs == ["0020", "0019", "0018"]
    assert re.search(r"bad\.json.*half-written", result.stdout)
    assert "17 older runs: --limit 0 shows all" in result.stderr


def test_list_as_json_has_everything(folder):
    content = json.loads(history("list", "--from", folder, "--limit", 0, "--json").stdout)

    assert len(content["runs"]) == 20
    assert content["runs"][0]["facts"] == {"cpu": "A", "threads": 2}
    assert content["runs"][0]["stored_at"] == "2026-01-20T00:00:00+00:00"
    assert content["unreadable"][0]["path"] == "bad.json"


def test_list_is_filtered_by_branch_and_fingerprint(folder):
    store(folder, run(number=30, branch="feature", fingerprint="abc"), "f.json")

    for option in ("--branch=feature", "--fingerprint=abc"):
        content = json.loads(history("list", "--from", folder, option, "--json").stdout)
        assert [each["run"] for each in content["runs"]] == ["f"]


def test_show_has_the_contestants_and_the_conditions():
    result = history("show", "0004", "--reports", COMMITTED)

    assert result.returncode == 0
    assert re.search(r"forward full", result.stdout)
    assert re.search(r"torchscript.*1\.40 ms.*0\.99", result.stdout)
    assert "fingerprint 642c6316b8 (cpu AMD EPYC" in result.stdout


INFO = {"flop": 10**8, "bytes": 10**5, "threads": 1, "dtype": "float32", "device": "cpu"}


def test_show_has_the_share_of_the_limits_of_the_runs_machine(tmp_path):
    facts = {"cpu": "A", "threads": 1}
    store(tmp_path / "history", run(entry(median=2e-3, **INFO), facts=facts))
    (tmp_path / "limits").mkdir()

    without = history("show", "last", "--reports", tmp_path).stdout
    limits(machine=facts).save(tmp_path / "limits" / "0123456789_20260101T000000Z.json")
    shown = history("show", "last", "--reports", tmp_path).stdout

    # By hand: 0.1 GFLOP at 100 GFLOP/s is 1 ms, of 2 ms.
    assert "of the limit" not in without
    assert re.search(r"of the limit.*\n.*\n.*2\.00 ms.*50%", shown)
    assert "'of the limit' is the time that arithmetic and compulsory bytes need" in shown


def test_limits_that_cannot_be_read_are_said_and_the_run_is_shown(tmp_path):
    store(tmp_path / "history", run(entry(median=2e-3, **INFO)))
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "0123456789_20260101T000000Z.json").write_text("{")

    result = history("show", "last", "--reports", tmp_path)

    assert result.returncode == 0
    assert "2.00 ms" in result.stdout
    assert "0123456789_20260101T000000Z.json" in result.stderr


def test_show_as_json_has_the_raw_samples():
    content = json.loads(history("show", "0004", "--reports", COMMITTED, "--json").stdout)

    assert content["commit"].startswith("ccb5d5e6")
    assert len(content["benchmarks"][0]["samples"]) == content["benchmarks"][0]["rounds"] == 15


def test_compare_calls_slower_only_what_is_beyond_the_usual(folder):
    result = history("compare", "0010", "last", "--from", folder)

    assert result.returncode == 0
    assert re.search(r"test_f\[eager\].*1\.198.*±4\.9%.*slower", result.stdout)
    assert not re.search(r"test_g\[eager\].*(slower|faster)", result.stdout)


def test_compare_refuses_two_fingerprints_and_says_why(folder):
    store(folder, run(number=30, fingerprint="other", facts={"cpu": "B", "threads": 2}), "z.json")

    result = history("compare", "last~1", "last", "--from", folder)

    assert result.returncode == 2
    assert "cpu A against B" in result.stderr
    assert result.stdout == ""


def test_compare_as_json_has_every_benchmark(folder):
    content = json.loads(history("compare", "0010", "last", "--from", folder, "--json").stdout)

    assert [row["benchmark"].partition("::")[2] for row in content["benchmarks"]] == ["test_f[eager]", "test_g[eager]"]
    assert content["benchmarks"][0]["is_unusual"] is True


def test_changes_tells_run_commits_and_size_and_exits_with_0(folder):
    result = history("changes", "--from", folder)

    assert result.returncode == 0
    assert re.search(r"test_f\[eager\].*0013_.*0000000b?.*\+19\.\d%.*12 \+ 8", result.stdout)
    assert "1 steps in 2 series of 20 runs" in result.stdout


def test_changes_as_json(folder):
    (change,) = json.loads(history("changes", "--from", folder, "--json").stdout)["changes"]

    assert change["ratio"] == pytest.approx(1.205 / 1.005)
    assert change["num_after"] == 8


def test_changes_of_several_workloads_name_them(folder):
    for number in range(20):
        other = run(entry("test_f[eager]", median=1.0 if number < 12 else 2.0, workload="large"), number=100 + number)
        store(folder, other)

    result = history("changes", "--from", folder, "--markdown")

    assert result.returncode == 0
    assert re.search(r"test_f\[eager\].*large.*\+100\.0%", result.stdout)
    assert re.search(r"test_f\[eager\].*not stated.*\+19\.\d%", result.stdout)


def test_series_too_short_to_judge_are_counted():
    result = history("changes", "--reports", COMMITTED, "--fingerprint", "642c6316b8")

    assert "0 steps in 60 series of 4 runs; 60 have fewer than 6 runs and were not judged" in result.stdout


def test_a_nan_in_a_file_is_null_in_json(folder):
    store(folder, run(entry(median=float("nan")), number=40), "nan.json")

    content = json.loads(history("show", "nan", "--from", folder, "--json").stdout, parse_constant=pytest.fail)

    assert content["benchmarks"][0]["median"] is None


@pytest.mark.parametrize("command", [("list",), ("show", "last"), ("compare", "last~1", "last"), ("changes",)])
def test_markdown_keeps_words_of_files_in_code(tmp_path, command):
    for number in range(12):
        hostile = entry(EVIL, median=1.0 if number < 6 else 1.5, **{"<b>x</b>|_s": 1.0})
        store(tmp_path / "runs", run(hostile, number=number, branch="@everyone [x](http://x)|", data="**b**\n# h"))

    result = history(*command, "--from", tmp_path / "runs", "--markdown")

    assert result.returncode == 0
    # What is left outside of code spans has no tag, mention, link or heading in it.
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", result.stdout)
    assert not re.search(r"<\w|@everyone|http|^# |\*\*b", outside, re.MULTILINE)
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in result.stdout.splitlines() if line.startswith("|")]
    assert len(set(widths)) <= (1 if command[0] != "show" else 2)


@pytest.mark.parametrize("command", [("list",), ("show", "last"), ("compare", "last~1", "last"), ("changes",)])
def test_on_a_terminal_words_of_files_are_no_markup_and_move_no_cursor(tmp_path, command):
    name = "test_[red]x[/red][/nonsense]\x1b[2J\x07"
    for number in range(12):
        content = run(entry(name, median=1.0 if number < 6 else 1.5), number=number, data="[bold]\x1b[1A\u202e")
        store(tmp_path / "runs", content)

    result = history(*command, "--from", tmp_path / "runs")

    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    if command[0] in ("compare", "changes"):
        assert "[red]x[/red][/nonsense]\\x1b[2J\\x07" in result.stdout.replace("\n", "")


@pytest.mark.parametrize("command", ["list", "changes"])
def test_an_empty_folder_says_how_to_make_a_run(tmp_path, command):
    (tmp_path / "history").mkdir()

    result = history(command, "--reports", tmp_path)

    assert result.returncode == 0
    assert "Run: pytest benchmarks." in result.stderr


def test_a_missing_folder_is_one_line_and_2(tmp_path):
    result = history("list", "--reports", tmp_path / "none")

    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_json_and_markdown_together_are_a_usage_error(folder):
    assert history("list", "--from", folder, "--json", "--markdown").returncode == 2


def test_the_list_imports_no_torch():
    code = (
        "import sys; from pricebench.cli import main\n"
        "try: main(['history', 'list', '--reports', sys.argv[1]])\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )

    result = subprocess.run([sys.executable, "-c", code, str(COMMITTED)], capture_output=True, text=True, check=True)

    assert result.stderr.strip() == "False"
