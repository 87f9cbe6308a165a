"""Many files are read by several processes: Python parses, and asks a store for objects, on one core only.

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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from pricebench.history.columns import SCHEMA, rows_of
from pricebench.history.places import Found, Place, place_at
from pricebench.history.records import HistoryError

MANY = 400  # below this, starting processes takes longer than reading
_AT_ONCE = 250  # files between two batches: bounds what is held as Python objects
_MOST_PROCESSES = 8
_REFUSED = 3  # exit code: the place said no, and the last line of stderr says how


def read_in_processes(place: Place, files: Sequence[Found]) -> pa.Table:
    """The index rows of many files, read on all cores.

    Raises:
        HistoryError: A process ended early, or the place does not answer any more.
    """
    num_processes = min(_cores(), _MOST_PROCESSES)
    shares = [files[start::num_processes] for start in range(num_processes)]
    with ThreadPoolExecutor(num_processes) as waiting:
        answers = list(waiting.map(lambda share: _ask(place, share), shares))
    return pa.concat_tables(answers)


def _cores() -> int:
    # What this process may use, where the system can tell; a container often has fewer than the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask(place: Place, files: Sequence[Found]) -> pa.Table:
    question = {"where": place.where, "files": [(found.path, found.stamp) for found in files]}
    finished = subprocess.run(  # noqa: PLW1510 - the exit code is looked at below
        [sys.executable, "-P", "-c", "from pricebench.history.worker import answer; answer()"],
        input=json.dumps(question).encode(),
        capture_output=True,
    )
    said = finished.stderr.decode(errors="replace")
    if finished.returncode == _REFUSED:
        raise HistoryError(said.splitlines()[-1])
    sys.stderr.write(said)
    if finished.returncode:
        raise HistoryError(
            f"{place.name}: expected to read {len(files):,} files, found that a reading process ended with exit code "
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
    place, files = place_at(question["where"]), question["files"]
    try:
        with pa.ipc.new_stream(sys.stdout.buffer, SCHEMA) as answer:
            for batch in batches(place, files):
                answer.write_batch(batch)
    except HistoryError as error:
        sys.stderr.write(f"\n{error}\n")
        sys.exit(_REFUSED)


def batches(place: Place, files: Sequence[tuple[str, str]]) -> Iterator[pa.RecordBatch]:
    """The index rows of files, by path and stamp, some at a time."""
    for start in range(0, len(files), _AT_ONCE):
        stamps = dict(files[start : start + _AT_ONCE])
        yield rows_of((path, stamps[path], content) for path, content in place.read(list(stamps)))
