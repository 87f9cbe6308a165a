"""What a project's CI gets that wants the gate and the history, and has no model."""

from __future__ import annotations

import json
import shutil
import sys
from zipfile import ZipFile

import pytest

from tests.gate.project import FOREIGN
from tests.gate.test_trees import git
from tests.wheel.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="an environment there has other folders")
MEGABYTE = 1024**2


def test_the_wheel_holds_every_file_of_the_package(wheel):
    ours = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "pricebench").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.endswith("/")}

    assert ours - packed == set()
    assert "pricebench/dashboard/house.svg" in packed


def test_the_base_install_is_below_300_megabytes(base_install):
    sizes = [path.stat().st_blocks * 512 for path in base_install.packages.rglob("*") if path.is_file()]

    assert 100 * MEGABYTE < sum(sizes) < 300 * MEGABYTE


@pytest.mark.parametrize("package", ["torch", "streamlit", "pandas", "scipy"])
def test_the_base_install_brings_nothing_heavy(base_install, package):
    assert not (base_install.packages / package).exists()


def test_the_base_install_answers_for_the_gate_and_the_history(base_install, tmp_path):
    gate = base_install.run("pricebench", "gate", "--help", cwd=tmp_path)
    listed = base_install.run(
        "pricebench", "history", "list", "--json", "--reports", str(ROOT / "reports"), cwd=tmp_path
    )

    assert gate.returncode == 0, gate.stderr
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)


def test_the_base_install_gates_a_suite_without_torch(base_install, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(FOREIGN, project, ignore=shutil.ignore_patterns("__pycache__"))
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "first")

    few = ("--budget", "30s", "-k", "total and 100")
    result = base_install.run("pricebench", "gate", "--base", "main", "--json", *few, "--", "bench", cwd=project)

    # Whether a busy machine lets it decide is not the point; that it measured and judged is.
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["benchmark"].endswith("::test_total[100]")
    assert finding["verdict"] in ("ok", "undecided")
    assert len(list((project / "reports" / "gate").iterdir())) == 1


@pytest.mark.parametrize(
    ("command", "package", "extra"), [("modes", "torch", "torch"), ("dashboard", "streamlit", "dashboard")]
)
def test_a_command_that_needs_more_is_one_sentence(base_install, tmp_path, command, package, extra):
    result = base_install.run("pricebench", command, cwd=tmp_path)

    assert result.returncode == 2
    assert result.stderr == (
        f"pricebench: {command} needs {package}, which is not installed. "
        f"Install it: pip install 'pricebench[{extra}]'.\n"
    )


@pytest.mark.parametrize(
    ("conftest", "needed_by"),
    [
        (
            "from pricebench.pytest_plugin import keep_history\ndef pytest_configure(config): keep_history(config)\n",
            "the fingerprint of a stored run",
        ),
        ("from pricebench.suite import mode\n", "this suite"),
    ],
    ids=["history", "suite"],
)
def test_a_conftest_that_needs_torch_is_one_sentence(base_install, tmp_path, conftest, needed_by):
    (tmp_path / "conftest.py").write_text(conftest)

    result = base_install.run("pytest", "-p", "pricebench.pytest_plugin", cwd=tmp_path)

    assert result.returncode == 4  # pytest's own, for bad usage
    assert result.stderr.strip() == (
        f"ERROR: {needed_by} needs torch, which is not installed. Install it: pip install 'pricebench[torch]'."
    )
