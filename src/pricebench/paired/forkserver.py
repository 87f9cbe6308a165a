"""One block's processes: what the arms share is imported once, then each arm is forked and calls a function of its own.

Run as a file by the arms' own Python; it imports the standard library only. Fresh for every block: the addresses at
which libraries and heap lie differ from block to block and are the same in the arms of one, so that what they do to the
times cancels. Nothing of an arm is imported here.

    python forkserver.py PLAN

It says `ready` when all is imported, forks at a line on stdin, or at once if the plan says so, and ends with its
children. Or it says `threads MODULE` and ends: that import started a thread, and a fork would lose it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any


def main() -> None:
    """Import, fork, wait."""
    _die_with_parent()
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    del sys.path[0]  # this file's folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in plan["modules"]:
            # The list was made by another process: some of its modules exist there only.
            with suppress(Exception):
                importlib.import_module(name)
            if _num_threads() > 1:
                sys.stdout.write(f"threads {name}\n")
                return
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if not plan["at_once"] and not sys.stdin.readline():
        return
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    children = []
    for arm in plan["arms"]:
        child = os.fork()
        if not child:
            _die_with_parent()
            _run(arm, plan)
        children.append(child)
        os.close(arm["socket"])
    for child in children:
        os.waitpid(child, 0)


def _run(arm: dict[str, Any], plan: dict[str, Any]) -> None:
    """Become a process that runs in the arm's folder, and knows nothing of the others."""
    log = os.open(arm["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for other in plan["arms"]:
        if other["socket"] != arm["socket"]:
            with suppress(OSError):
                os.close(other["socket"])
    os.chdir(arm["folder"])
    os.environ.update(arm["environment"])
    tempfile.tempdir = None
    if plan["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, plan["cores"])
    sys.path[:] = _import_path(arm, plan["root"])
    importlib.invalidate_caches()
    code = 3
    try:
        module, _, function = arm["target"].partition(":")
        code = int(getattr(importlib.import_module(module), function)(**arm["arguments"]) or 0)
    except BaseException:
        traceback.print_exc()  # into the log: the driver quotes its last line
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _import_path(arm: dict[str, Any], root: str | None) -> list[str]:
    """The arm's own folders first. An editable installation names the original; the arm's folder takes its place."""
    elsewhere = [entry for entry in sys.path if not (root and _is_below(entry, root)) or _is_below(entry, sys.prefix)]
    moved = [arm["folder"] + entry[len(root or "") :] for entry in sys.path if entry not in elsewhere]
    return list(dict.fromkeys([*arm["path"], *moved, *elsewhere]))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _num_threads() -> int:
    """Python's own and those of libraries; 1 where the system does not tell."""
    with suppress(OSError):
        return len(list(Path("/proc/self/task").iterdir()))
    return 1


def _die_with_parent() -> None:
    """On Linux: a killed driver leaves nothing running."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main()
