"""A process that waits for the end of another one, and ends what that has left of a Ray cluster.

Run by its path, with the standard library alone: `python -I leftovers.py FOLDER`. Its stdin is a pipe from whoever has
started the cluster, so it ends with that process, however that happens. When the process is killed by SIGKILL, Ray's
agents go on for ever (ray 2.60): they want to tell of the death of their node, and there is nobody left to tell.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LOOKS = 20
_BETWEEN = 0.1  # seconds


def main(folder: str) -> None:
    """Wait, then kill what is left of the cluster, and remove its folder."""
    sys.stdin.read()
    for _ in range(_LOOKS):
        left = list(_who_is_in(folder))
        if not left:
            break
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_BETWEEN)
    shutil.rmtree(folder, ignore_errors=True)


def _who_is_in(folder: str) -> Iterator[int]:
    """Ray's own processes of this cluster; whoever has started it has files of it open, too, and is none of them."""
    within = f"{Path(folder).resolve()}/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            command = (process / "cmdline").read_bytes()
            # Agents and workers give themselves a title; the folder is in the other command lines.
            is_of_ray = command.startswith(b"ray::") or f"={within}".encode() in command
            if is_of_ray and any(str(file.readlink()).startswith(within) for file in (process / "fd").iterdir()):
                yield int(process.name)


if __name__ == "__main__":
    main(sys.argv[1])
