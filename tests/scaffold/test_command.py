from __future__ import annotations

import pytest

from tests.gate.test_trees import git
from tests.test_cli import pricebench

MODEL = """
import torch

def build():
    return torch.nn.Linear(3, 2), torch.randn(4, 3), {"batch": 0}
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "linear.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_it_wrote_and_the_next_command(repository):
    result = pricebench("init", "models/linear.py:build")

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "wrote benchmarks/conftest.py",
        "wrote benchmarks/test_modes.py",
        "wrote pyproject.toml",
        "wrote .github/workflows/benchmarks.yml",
        "next: pytest benchmarks",
        "once it is committed: pricebench gate --base main",
    ]
    assert '"--workload=models/linear.py:build"' in (repository / "pyproject.toml").read_text()


def test_a_dry_run_prints_the_texts_and_writes_nothing(repository):
    dry = pricebench("init", "models/linear.py:build", "--dry-run")

    assert not (repository / "benchmarks").exists()
    pricebench("init", "models/linear.py:build")
    for path in ("benchmarks/conftest.py", "benchmarks/test_modes.py", "pyproject.toml"):
        assert f"==> {path}\n{(repository / path).read_text()}" in dry.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere:build", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("nowhere.py:build", "there is no file nowhere.py here"),
        ("models/linear.py:make", "has no 'make'"),
        ("models/linear.py", "expected module:function or path/to/file.py:function"),
    ],
)
def test_what_is_no_workload_is_one_sentence(repository, name, reason):
    result = pricebench("init", name)

    assert result.returncode == 2
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (repository / "benchmarks").exists()


def test_it_wants_the_root_of_the_repository(repository, monkeypatch):
    monkeypatch.chdir(repository / "models")

    result = pricebench("init", "linear.py:build")

    assert result.returncode == 2
    assert result.stderr.rstrip().endswith(
        f"expected the root of the repository, for its settings. Run: cd {repository}"
    )


def test_it_wants_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    result = pricebench("init", "linear.py:build")

    assert result.returncode == 2
    assert result.stderr == (
        f"pricebench: {tmp_path}: expected a git repository, for the gate compares its commits. Run: git init\n"
    )
