"""Removes what a gate made: worktrees, processes, files. Also after the gate was killed, because it is a process of its own.

Run as a file: `python janitor.py FOLDER REPOSITORY`. Each line on stdin is the number of a process group; when stdin ends,
by the gate's word or its death, all of them are killed, the worktrees below the folder are taken off the repository's
list, and the folder is removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Wait for the end, then clean up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    folder, repository = Path(sys.argv[1]), sys.argv[2]
    groups = [int(line) for line in sys.stdin]
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    _remove(folder)
    if repository:
        # The folders are gone, so this forgets exactly their entries.
        subprocess.run(["git", "-C", repository, "worktree", "prune"], check=False, capture_output=True)  # noqa: S607


def _remove(folder: Path) -> None:
    # A killed process may take a moment to die, and write on until then.
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        signal.sigtimedwait([], 0.1) if hasattr(signal, "sigtimedwait") else None
    sys.stderr.write(f"pricebench gate: could not remove {folder}\n")


if __name__ == "__main__":
    main()
