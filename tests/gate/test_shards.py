"""Shards from outside: planned, measured each by its own command, and merged."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gate.project import LOOP, SLOWER
from tests.gate.test_trees import git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers talk over inherited sockets")

# One event a process each, so that a block of 63 takes no ten seconds; that is how many the gate measures for such.
MANY = """
import pytest


@pytest.mark.parametrize("size", range(500))
def test_sum(benchmark, size):
    assert benchmark.pedantic(sum, args=(range(size),), rounds=1) == size * (size - 1) // 2
"""


def merge(project, *files, arguments=()):
    command = [sys.executable, "-m", "pricebench", "gate", "merge", *map(str, files)]
    command += ["--reports", str(project.root.parent / "merged"), *arguments]
    return subprocess.run(
        command, cwd=project.root, env=project.environment(), capture_output=True, text=True, check=False
    )


def stored(project):
    return sorted((project.reports / "gate").glob("*.json"))


def test_five_hundred_benchmarks_are_measured_by_eight_shards_and_merged_to_one_report(project):
    (project.root / "bench" / "bench_many.py").write_text(MANY)
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "-m", "many")
    plan = project.root.parent / "plan.json"
    planned = project.gate("--shards", "8", "--plan", str(plan), suite="bench/bench_many.py")
    assert planned.returncode == 0, planned.stderr

    def measure(number):
        return project.gate(
            "--shard", f"{number}/8", "--plan", str(plan), "--budget", "1s", suite="bench/bench_many.py"
        )

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(measure, range(1, 9)))
    # A block each: it proves nothing, and says so.
    assert {result.returncode for result in results} == {2}, results[0].stderr
    result = merge(project, *stored(project), arguments=["--json"])

    assert result.returncode == 2, result.stderr
    found = json.loads(result.stdout)
    assert sorted(each["benchmark"] for each in found["findings"]) == sorted(
        f"bench/bench_many.py::test_sum[{size}]" for size in range(500)
    )
    assert {each["num_blocks"] for each in found["findings"]} == {1}
    assert sorted(name for each in found["blocks"] for name in each["seconds"]) == sorted(
        each["benchmark"] for each in found["findings"]
    )
    assert [each["number"] for each in found["shards"]] == list(range(1, 9))
    assert "1 block fitted into the budget" in found["sentence"]
    assert project.left_behind() == ([], 0, "")


def test_a_slowdown_in_one_shard_is_the_verdict_of_all(project):
    project.edit("src/sums/__init__.py", LOOP, SLOWER)
    arguments = ("-k", "total or single_event")
    # Without a plan: two of the three are the first shard's, by their names.
    first, second = (project.gate("--shard", f"{number}/2", *arguments) for number in (1, 2))

    result = merge(project, *stored(project), arguments=["--junit", str(project.root.parent / "gate.xml")])

    assert 1 in (first.returncode, second.returncode), first.stderr + second.stderr
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Do not merge: " in result.stdout
    assert "test_total[100]" in result.stdout.partition("Do not merge")[2]
    assert 'type="slower"' in (project.root.parent / "gate.xml").read_text()
    # As one that was measured at once, it is shown again.
    (merged,) = (project.root.parent / "merged" / "gate").glob("*.json")
    shown = project.gate("--from", str(merged), "--markdown")
    assert (shown.returncode, "shard 2/2: " in shown.stdout) == (1, True)


def test_more_shards_than_benchmarks_leave_one_empty_and_break_nothing(project):
    first, second = (
        project.gate("--shard", f"{number}/2", "--budget", "1s", "-k", "total and 100", "--json") for number in (1, 2)
    )

    assert (first.returncode, second.returncode) == (2, 0), second.stderr  # one block proves nothing
    assert json.loads(second.stdout)["findings"] == []
    assert merge(project, *stored(project)).returncode == 2


def test_a_checkout_that_was_changed_between_two_shards_is_another_head(project):
    project.gate("--shard", "1/2", "--budget", "1s", "-k", "total")
    project.edit("bench/conftest.py", "import pytest", "import pytest  # changed")
    project.gate("--shard", "2/2", "--budget", "1s", "-k", "total")

    result = merge(project, *stored(project))

    assert result.returncode == 2
    assert "of another run: tree of head: expected" in result.stderr
    assert result.stdout == ""


def test_a_folder_that_is_called_merge_is_still_a_suite(project):
    (project.root / "bench").rename(project.root / "merge")

    result = project.gate("--budget", "1s", "-k", "total and 100", "--json", suite="merge")

    assert [each["verdict"] for each in json.loads(result.stdout)["findings"]] == ["new"], result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--shard", "3/2"], "--shard is '3/2', expected NUMBER/COUNT"),
        (["--shard", "two"], "--shard is 'two', expected NUMBER/COUNT"),
        (["--shards", "2"], "Name the file"),
        (["--plan", "plan.json"], "--plan goes with --shards COUNT"),
        (["--shard", "1/2", "--plan", "absent.json"], "absent.json: expected a plan of shards"),
    ],
)
def test_wrong_shards_are_one_sentence(project, arguments, says):
    result = project.gate(*arguments)

    assert result.returncode == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
