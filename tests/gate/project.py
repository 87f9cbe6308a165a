"""A git repository with a suite of somebody else's, and the gate as a command in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.gate.test_trees import git

FOREIGN = Path(__file__).with_name("foreign")
LOOP = "        result += number\n"
# The work of each round of the loop, more than twice.
SLOWER = "        result += number\n" + "        number = number + 0\n" * 4


class Project:
    """A git repository with the foreign suite; its own folder for temporary files shows what is left behind."""

    def __init__(self, folder):
        self.root = folder / "project"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.reports = folder / "reports"
        shutil.copytree(FOREIGN, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        git(self.root, "init", "--quiet", "--initial-branch=main")
        (self.root / ".gitignore").write_text("__pycache__\n")
        git(self.root, "add", ".")
        git(self.root, "commit", "--quiet", "-m", "first")

    def edit(self, name, old, new):
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def command(self, *arguments):
        return [
            *(sys.executable, "-m", "pricebench", "gate", "--base", "HEAD"),
            *("--reports", str(self.reports), *arguments),
        ]

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        return {**kept, "TMPDIR": str(self.temporary)}

    def gate(self, *arguments, suite="bench", folder=".", **environment):
        return subprocess.run(
            self.command(*arguments, "--", suite),
            cwd=self.root / folder,
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments):
        return subprocess.Popen(
            self.command(*arguments, "--", "bench"),
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def left_behind(self):
        worktrees = git(self.root, "worktree", "list", "--porcelain").count("worktree ")
        return [path.name for path in self.temporary.iterdir()], worktrees - 1, git(self.root, "status", "--porcelain")
