from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pricebench.gate.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are signalled")

OWNER = """
import subprocess, sys
from pathlib import Path
from pricebench.gate.workspace import Workspace
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


def test_leaving_removes_the_folder():
    with Workspace() as workspace:
        (workspace.folder / "read-only").mkdir()
        (workspace.folder / "read-only" / "file").write_text("x")

    assert not workspace.folder.exists()
