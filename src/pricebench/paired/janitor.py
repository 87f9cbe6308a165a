"""Removes what a measurement made: worktrees, processes, files. A process of its own, so also after that was killed.

Run as a file: `python janitor.py FOLDER REPOSITORY`. Each line on stdin is the number of a process group that has
begun, or with a minus one that has ended. When stdin ends, by the command's word or its death, the groups that are left
are killed, the folder is removed, and its worktrees, no others, are taken off the repository's list.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Wait for the end, then clean up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    folder, repository = Path(sys.argv[1]), sys.argv[2]
    groups: set[int] = set()
    for number in map(int, sys.stdin):
        groups ^= {abs(number)}
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    _remove(folder)
    if repository:
        _forget_worktrees(folder, Path(repository))


def _forget_worktrees(folder: Path, repository: Path) -> None:
    """Not by `git worktree prune`: it forgets those of others too whose folder is away for a moment."""
    command = ["git", "-C", str(repository), "rev-parse", "--git-common-dir"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    if found.returncode:
        return  # the repository is gone
    entries = repository / found.stdout.strip() / "worktrees"
    for file in entries.glob("*/gitdir"):
        with suppress(OSError):
            # An absolute path, or since git 2.48 one relative to the entry.
            if (file.parent / file.read_text(encoding="utf-8").strip()).resolve().is_relative_to(folder):
                shutil.rmtree(file.parent, ignore_errors=True)
    with suppress(OSError):
        entries.rmdir()  # as git does with an empty one


def _remove(folder: Path) -> None:
    # A killed process may take a moment to die, and write on until then.
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)  # what a test made read-only
        if not folder.exists():
            return
        time.sleep(0.1)
    sys.stderr.write(f"pricebench: could not remove {folder}\n")


if __name__ == "__main__":
    main()
