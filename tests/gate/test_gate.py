"""The gate from outside, on a suite of somebody else's that knows nothing of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.environments import linked_environment
from tests.gate.project import LOOP, SLOWER
from tests.gate.test_trees import git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers talk over inherited sockets")

BRIEF = ("--budget", "1s", "-k", "total and 100")


def running():
    """Command lines of all processes, on Linux."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_text(errors="replace").replace("\0", " ")


def verdicts(result):
    return {each["benchmark"].partition("::")[2]: each["verdict"] for each in json.loads(result.stdout)["findings"]}


# ---- whole runs ----------------------------------------------------------------------------------------------------


def test_an_unchanged_suite_of_somebody_else_passes_and_nothing_is_left_behind(project):
    result = project.gate("--json")

    assert result.returncode == 0, result.stderr + result.stdout[-2000:]
    found = json.loads(result.stdout)
    assert verdicts(result) == {
        "test_total[100]": "ok",
        "test_total[500]": "ok",
        "TestStack::test_drain": "ok",
        "TestStack::test_single_event": "ok",
    }
    assert found["control"]["is_seen"]
    # One sample a process for what happens once, eight for the rest; the pedantic one kept to its forty rounds.
    slices = {name.rpartition("::")[2]: len(arms["head"]) for name, arms in found["blocks"][0]["seconds"].items()}
    assert slices == {"test_total[100]": 8, "test_total[500]": 8, "test_drain": 8, "test_single_event": 1}
    assert project.left_behind() == ([], 0, "")
    assert len(list((project.reports / "gate").glob("*.json"))) == 1


def test_a_slower_change_is_named_and_a_rerun_stays_red(project):
    project.edit("src/sums/__init__.py", LOOP, SLOWER)

    for _ in range(2):
        result = project.gate("--junit", str(project.root.parent / "gate.xml"), "-k", "total", GITHUB_ACTIONS="true")

        assert result.returncode == 1, result.stderr + result.stdout
        assert "Do not merge: 2 slower (test_total[100], test_total[500])." in result.stdout
        assert result.stderr.count("::error file=bench/bench_sums.py") == 2
        suite = ET.parse(project.root.parent / "gate.xml").getroot()[0]  # noqa: S314 - our own file
        assert suite.get("failures") == "2"
    assert git(project.root, "status", "--porcelain") == "M src/sums/__init__.py"


# ---- what is no pass -----------------------------------------------------------------------------------------------


def test_a_wrong_answer_is_told_from_a_slow_one(project):
    project.edit("src/sums/__init__.py", "return result", "return result + 1")

    result = project.gate(*BRIEF)

    assert result.returncode == 4
    assert "1 with a wrong answer (test_total[100])" in result.stdout
    assert "assert 4951 == " in result.stdout


def test_a_function_that_raises_is_a_wrong_answer(project):
    project.edit("src/sums/__init__.py", "    result = 0\n", '    raise ValueError("no sums today")\n')

    result = project.gate("--budget", "1s", "-k", "total", "--json")

    assert result.returncode == 4, result.stderr
    # The suite's own -x ends nothing.
    assert verdicts(result) == {"test_total[100]": "wrong answer", "test_total[500]": "wrong answer"}
    assert "no sums today" in json.loads(result.stdout)["findings"][0]["note"]


def test_a_function_that_raises_in_later_processes_only_is_a_wrong_answer(project):
    project.edit(
        "src/sums/__init__.py",
        "    result = 0\n",
        '    if WAS_HERE:\n        raise ValueError("not twice")\n    result = 0\n',
    )
    mark = "MARK = Path(__file__).with_name('mark')\nWAS_HERE = MARK.exists()\nMARK.touch()\n"
    project.edit("src/sums/__init__.py", 'library."""\n', f'library."""\n\nfrom pathlib import Path\n\n{mark}')

    result = project.gate(*BRIEF)

    assert result.returncode == 4, result.stdout
    assert "failed while measured (head: failed: ValueError: not twice)" in result.stdout


def test_a_renamed_benchmark_is_no_pass_until_a_reviewed_line_says_so(project):
    project.edit("bench/bench_sums.py", "def test_total", "def test_total_of")

    assert verdicts(refused := project.gate(*BRIEF, "--json")) == {
        "test_total_of[100]": "new",
        "test_total[100]": "gone",
    }
    assert refused.returncode == 4

    (project.root / "gate-accepted.toml").write_text(
        '[[renamed]]\nbase = "bench/bench_sums.py::test_total[100]"\n'
        'head = "bench/bench_sums.py::test_total_of[100]"\nreason = "clearer"\n'
    )
    result = project.gate(*BRIEF, "--json")

    (found,) = json.loads(result.stdout)["findings"]
    assert found["num_blocks"] == 1
    assert found["note"] == "renamed from bench/bench_sums.py::test_total[100]"

    # Merged: the line has done its work, and does no harm.
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "-m", "second")
    (found,) = json.loads(project.gate(*BRIEF, "--json").stdout)["findings"]
    assert (found["num_blocks"], found["note"]) == (1, "")


def test_a_removed_benchmark_passes_with_a_reviewed_line(project):
    project.edit("bench/bench_sums.py", "[100, 500]", "[500]")
    (project.root / "gate-accepted.toml").write_text(
        '[[removed]]\nbenchmark = "bench/bench_sums.py::test_total[100]"\nreason = "the other says it all"\n'
    )

    result = project.gate("--budget", "1s", "-k", "total", "--json")

    gone = json.loads(result.stdout)["findings"][-1]
    assert (gone["verdict"], gone["accepted"]) == ("gone", "the other says it all")
    # Not 4: what is left is that one block proves nothing.
    assert result.returncode == 2


def test_a_new_benchmark_is_named_and_passes_nothing_else(project):
    project.edit("bench/bench_sums.py", "[100, 500]", "[100, 500, 300]")

    result = project.gate("--budget", "1s", "-k", "total and (300 or 100)", "--json")

    assert verdicts(result)["test_total[300]"] == "new"
    # One block proves nothing.
    assert result.returncode == 2


def test_a_suite_that_base_does_not_have_is_new(project):
    shutil.copy(project.root / "bench" / "bench_sums.py", project.root / "bench" / "bench_more.py")

    # As somebody types it who stands in the folder.
    result = project.gate(*BRIEF, "--json", suite="bench_more.py", folder="bench")

    assert verdicts(result) == {"test_total[100]": "new"}
    assert result.returncode == 2


def test_a_suite_that_head_does_not_have_is_refused(project):
    result = project.gate(*BRIEF, suite="benches")

    assert result.returncode == 2
    assert "head has no benches. Name the suite behind --." in result.stderr


def test_no_benchmark_is_no_pass(project):
    result = project.gate("-k", "nothing_like_this")

    assert result.returncode == 2
    assert "the suite has no benchmark" in result.stderr


def test_a_suite_that_cannot_be_imported_says_why(project):
    project.edit("bench/conftest.py", "import pytest", "import pytest\nimport no_such_module")

    result = project.gate(*BRIEF)

    assert result.returncode == 2
    assert "pytest on head ended" in result.stderr
    assert "no_such_module" in result.stderr


def test_a_file_that_lacks_a_package_on_both_sides_says_so_and_is_no_pass(project):
    (project.root / "bench" / "bench_lacking.py").write_text("import no_such_module\n")
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "-m", "second")

    result = project.gate(*BRIEF, "--json")

    assert result.returncode == 4, result.stderr
    found = {each["benchmark"]: each for each in json.loads(result.stdout)["findings"]}
    assert found["bench/bench_lacking.py"]["verdict"] == "wrong answer"
    assert "No module named 'no_such_module'" in found["bench/bench_lacking.py"]["note"]
    # The other file was measured.
    assert found["bench/bench_sums.py::test_total[100]"]["num_blocks"] == 1

    alone = project.gate(*BRIEF, suite="bench/bench_lacking.py")
    assert alone.returncode == 2
    assert "cannot import bench/bench_lacking.py: ModuleNotFoundError: No module named 'no_such_module'" in alone.stderr


def test_code_of_the_original_checkout_is_not_measured_as_base(project):
    project.edit(
        "bench/conftest.py",
        "import pytest",
        f"import sys\nimport pytest\nsys.path.insert(0, {str(project.root / 'src')!r})",
    )
    git(project.root, "commit", "--quiet", "-am", "a path of this machine")

    result = project.gate(*BRIEF)

    assert result.returncode == 2
    assert "from the original checkout instead of its own tree" in result.stderr


def test_other_dependencies_need_another_environment(project):
    project.edit("pyproject.toml", "dependencies = []", "dependencies = ['numpy']")

    result = project.gate(*BRIEF)

    assert result.returncode == 2
    assert "--base-python" in result.stderr

    # As somebody types it.
    python = os.path.relpath(sys.executable, project.root)
    with_python = project.gate(*BRIEF, "--base-python", python, "--json")
    assert json.loads(with_python.stdout)["findings"][0]["num_blocks"] == 1


def test_a_suite_is_measured_in_an_environment_without_pricebench(project, tmp_path):
    python = linked_environment(tmp_path / "environment", "pytest", "pytest-benchmark")
    project.edit(
        "bench/conftest.py",
        "import pytest",
        "import importlib.util\nimport pytest\nassert importlib.util.find_spec('pricebench') is None",
    )
    git(project.root, "commit", "--quiet", "-am", "second")

    result = project.gate(*BRIEF, "--python", str(python), "--json")

    assert result.returncode == 2, result.stderr  # one block proves nothing
    found = json.loads(result.stdout)
    assert [(each["benchmark"], each["num_blocks"]) for each in found["findings"]] == [
        ("bench/bench_sums.py::test_total[100]", 1)
    ]
    assert found["conditions"]["shared_imports"] > 0
    assert "torch" not in found["machine"]


@pytest.mark.parametrize("option", ["--python", "--base-python"])
def test_an_environment_without_pytest_benchmark_is_told_how_to_get_it(project, tmp_path, option):
    python = linked_environment(tmp_path / "environment", "pytest")

    result = project.gate(*BRIEF, option, str(python))

    assert result.returncode == 2
    assert f"{python} has no pytest-benchmark" in result.stderr
    assert f"uv pip install --python {python} pytest-benchmark" in result.stderr


def test_outside_of_a_checkout_the_checkout_is_what_is_missed(tmp_path):
    command = [sys.executable, "-m", "pricebench", "gate", "--base", "main"]
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}

    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert "expected a checkout" in result.stderr
    assert "pytest" not in result.stderr.replace(str(tmp_path), "")


def test_each_arm_can_import_for_itself(project):
    result = project.gate(*BRIEF, "--processes", "spawn", "--json")

    found = json.loads(result.stdout)
    assert found["findings"][0]["num_blocks"] == 1
    assert any("imported everything itself" in warning for warning in found["warnings"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--base", "no-such-ref"], "git knows no commit 'no-such-ref' here"),
        (["--budget", "soon"], "--budget is 'soon', expected a time"),
        (["--processes", "threads"], "--processes is 'threads', expected fork or spawn"),
        (["--base-python", "nowhere"], "--base-python is nowhere, expected the Python"),
        (["--from", "absent.json"], "absent.json: expected a gate report"),
        (["--python", "nowhere"], "--python is nowhere, expected the Python"),
        (["--python", shutil.which("true")], "expected the Python of an environment. Name its file"),
        (["--base-python", "pyproject.toml"], "--base-python is pyproject.toml, expected the Python"),
        (["--update-structure"], "names no `structure` file"),
        (["--json", "--markdown"], "Choose one"),
        (["bench/bench_none.py"], "neither base nor head has bench/bench_none.py"),
        (["../bench"], "../bench is outside of the checkout"),
    ],
)
def test_wrong_input_is_one_sentence(project, arguments, says):
    result = project.gate(*arguments)

    assert result.returncode == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


# ---- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_stopping_it_leaves_nothing(project, how, status):
    process = project.start("-k", "total")
    try:
        deadline = time.monotonic() + 120
        # The second copy of base is there: worktrees are made and processes run.
        while not list(project.temporary.glob("*/null/bench")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            os.sched_yield()
        process.send_signal(how)
        process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == status
    deadline = time.monotonic() + 60
    while project.left_behind() != ([], 0, ""):
        assert time.monotonic() < deadline, project.left_behind()
        os.sched_yield()
    assert [line for line in running() if str(project.temporary) in line] == []


def test_a_stored_report_is_shown_again(project):
    project.gate(*BRIEF)
    (stored,) = (project.reports / "gate").glob("*.json")

    shown = project.gate("--from", str(stored), "--markdown")

    assert shown.returncode == 2
    assert "| `test_total[100]` |" in shown.stdout


def test_githubs_job_summary_gets_the_table(project, tmp_path):
    summary = tmp_path / "summary.md"

    project.gate(*BRIEF, GITHUB_STEP_SUMMARY=str(summary))

    assert "| `test_total[100]` |" in summary.read_text()
