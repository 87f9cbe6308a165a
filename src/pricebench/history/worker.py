"""Many files are read by several processes: Python parses on one core only.

Each is a plain Python that gets names on stdin and answers with Arrow on stdout.
`multiprocessing` would import the caller's main module again, which in a Streamlit script is the whole page.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from pricebench.history.columns import SCHEMA, rows_of
from pricebench.history.places import Found, LocalFolder
from pricebench.history.records import HistoryError

MANY = 400  # below this, starting processes takes longer than reading
_AT_ONCE = 250  # files between two batches: bounds what is held as Python objects
_MOST_PROCESSES = 8


def read_in_processes(folder: LocalFolder, files: Sequence[Found]) -> pa.Table:
    """The index rows of many local files, read on all cores."""
    num_processes = min(_cores(), _MOST_PROCESSES)
    shares = [files[start::num_processes] for start in range(num_processes)]
    with ThreadPoolExecutor(num_processes) as waiting:
        answers = list(waiting.map(lambda share: _ask(folder, share), shares))
    return pa.concat_tables(answers)


def _cores() -> int:
    # What this process may use, where the system can tell; a container often has fewer than the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask(folder: LocalFolder, files: Sequence[Found]) -> pa.Table:
    question = {"root": str(folder.root.resolve()), "files": [(found.path, found.stamp) for found in files]}
    finished = subprocess.run(  # noqa: PLW1510 - the exit code is looked at below
        [sys.executable, "-P", "-c", "from pricebench.history.worker import answer; answer()"],
        input=json.dumps(question).encode(),
        stdout=subprocess.PIPE,
    )
    if finished.returncode:
        raise HistoryError(
            f"{folder.name}: expected to read {len(files):,} files, found that a reading process ended with exit code "
            f"{finished.returncode}. Is memory short? Run again."
        )
    return pa.ipc.open_stream(finished.stdout).read_all()


class _NoPandas:
    """pa.array imports pandas, for a second, to ask whether a list is a series; in this process is none."""

    def find_spec(self, name: str, *_: object) -> None:
        """Pandas is not here; anything else is looked for as ever."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def answer() -> None:
    """Be the worker."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback of its own
    sys.meta_path.insert(0, _NoPandas())
    gc.disable()  # nothing here is cyclic, and the collector would walk every parsed file again and again
    question = json.load(sys.stdin)
    folder, files = LocalFolder(Path(question["root"])), question["files"]
    with pa.ipc.new_stream(sys.stdout.buffer, SCHEMA) as answer:
        for start in range(0, len(files), _AT_ONCE):
            stamps = dict(files[start : start + _AT_ONCE])
            answer.write_batch(rows_of((path, stamps[path], content) for path, content in folder.read(list(stamps))))
