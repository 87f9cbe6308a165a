from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pricebench.paired.workspace import Workspace
from tests.gate.test_trees import git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are signalled")

OWNER = """
import subprocess, sys
from pathlib import Path
from pricebench.paired.workspace import Workspace
workspace = Workspace()
# A child with a child of its own, as a test that starts a program.
code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
workspace.will_end(child)
(workspace.folder / "file").write_text("x")
print(workspace.folder, child.pid, flush=True)
sys.stdin.read()
"""


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_owner_leaves_nothing(how):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    folder, group = owner.stdout.readline().split()

    owner.send_signal(how)
    owner.communicate(timeout=60)

    deadline = time.monotonic() + 60
    while Path(folder).exists() or not is_gone(int(group)):
        assert time.monotonic() < deadline, (folder, group)
        os.sched_yield()


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_leaving_removes_what_a_test_made_read_only():
    with Workspace() as workspace:
        (workspace.folder / "read-only").mkdir()
        (workspace.folder / "read-only" / "file").write_text("x")
        (workspace.folder / "read-only").chmod(0o500)

    assert not workspace.folder.exists()


def test_leaving_takes_its_own_worktrees_off_the_list_and_no_others(tmp_path):
    root, theirs = tmp_path / "project", tmp_path / "theirs"
    root.mkdir()
    git(root, "init", "--quiet")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "first")
    git(root, "worktree", "add", "--quiet", "--detach", str(theirs))

    with Workspace(root) as workspace:
        git(root, "worktree", "add", "--quiet", "--detach", str(workspace.folder / "base"))
        assert git(root, "worktree", "list").count("\n") == 2
        # As on a disk that is not mounted just now.
        theirs.rename(tmp_path / "away")

    (tmp_path / "away").rename(theirs)
    assert [line.split()[0] for line in git(root, "worktree", "list").splitlines()] == [str(root), str(theirs)]
    assert git(theirs, "status", "--porcelain") == ""


def test_a_repository_that_is_gone_costs_no_folder_of_that_name(tmp_path):
    root = tmp_path / "project"
    (root / "worktrees").mkdir(parents=True)

    with Workspace(root):
        pass

    assert (root / "worktrees").is_dir()


RUNS_A_PROGRAM = """
import os, sys
from pathlib import Path
from pricebench.paired.workspace import Workspace
workspace = Workspace()
print(workspace.folder, flush=True)
endless = "import os; print(os.getpid(), file=open('pid', 'w'), flush=True)\\nwhile True: pass"
workspace.run([sys.executable, "-c", endless], folder=Path(sys.argv[1]), environment=dict(os.environ))
"""


def test_a_program_that_runs_when_the_owner_dies_ends(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", RUNS_A_PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    folder = owner.stdout.readline().strip()
    deadline = time.monotonic() + 60
    while not ((tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip()):
        assert time.monotonic() < deadline
        os.sched_yield()

    owner.kill()
    owner.communicate(timeout=60)

    while Path(folder).exists() or not is_gone(int((tmp_path / "pid").read_text())):
        assert time.monotonic() < deadline
        os.sched_yield()
