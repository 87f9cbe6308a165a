"""What opening a large history costs: `python -m evidence.history_speed FOLDER`, made by `evidence.make_history`.

Every open is a process of its own. First from a cold disk where the system can forget its pages of a file, then the
same warm, then with a full cache, with one run more, and two readers at once with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_OPEN = "--open"


def opened(folder: str, cache: Path) -> dict[str, Any]:
    """Open in this process; seconds of each part, and the peak memory of this process and of all its workers."""
    started = time.perf_counter()
    from pricebench.history import open_history  # noqa: PLC0415 - its import is measured too

    imported = time.perf_counter()
    history = open_history(folder, cache_home=cache)
    ready = time.perf_counter()
    num_series = len(history.series_rows)
    grouped = time.perf_counter()
    num_changes = len(history.changes())
    ended = time.perf_counter()
    peak = _peak_bytes()
    peak_of_worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {
        "import_s": imported - started,
        "open_s": ready - imported,
        "series_s": grouped - ready,
        "changes_s": ended - grouped,
        "num_runs": history.run_table.num_rows,
        "num_read": history.num_read,
        "num_series": num_series,
        "num_changes": num_changes,
        "peak_bytes": peak,
        "peak_bytes_of_largest_worker": peak_of_worker,
    }


def _peak_bytes() -> int:
    # Not ru_maxrss where it can be helped: Linux lets a process begin with that of the one that started it.
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024


def start(folder: Path | str, cache: Path) -> subprocess.Popen[str]:
    """Open a folder or a URL in a process of its own."""
    command = [sys.executable, "-m", "evidence.history_speed", _OPEN, str(cache), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What `opened` measured there."""
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"opening ended with exit code {process.returncode}")
    result: dict[str, Any] = json.loads(output)
    return result


def _forget(folder: Path) -> bool:
    """Have the system drop its copy of the files; False where it offers no way."""
    if not hasattr(os, "posix_fadvise"):
        return False
    os.sync()
    for path in folder.rglob("*.json"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def measure(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Open the folder in every situation; a copy of its last run is added and removed again."""
    last = max(folder.rglob("*.json"))
    added = last.with_name(f"9999_{last.name[5:]}")
    results = []
    with tempfile.TemporaryDirectory() as caches:
        cache = Path(caches, "one")
        if _forget(folder):
            results.append(("first, cold", finish(start(folder, Path(caches, "cold")))))
        results += [(title, finish(start(folder, cache))) for title in ("first", "second", "third")]
        shutil.copyfile(last, added)
        try:
            results.append(("one run more", finish(start(folder, cache))))
        finally:
            added.unlink()
        both = [start(folder, Path(caches, "two")) for _ in range(2)]
        results += [("two at once", finish(process)) for process in both]
        results.append(("after the two", finish(start(folder, Path(caches, "two")))))
    return results


def main() -> None:
    """Print a line per open."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument(_OPEN, type=Path, metavar="CACHE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        sys.stdout.write(json.dumps(opened(options.folder, options.open)))
        return
    for title, result in measure(Path(options.folder)):
        sys.stdout.write(
            f"{title:>14}: import {result['import_s']:.2f} s, open {result['open_s']:.2f} s, series "
            f"{result['series_s']:.2f} s, changes {result['changes_s']:.2f} s; {result['num_read']:,} of "
            f"{result['num_runs']:,} runs read; {result['num_changes']} changes in {result['num_series']} series; peak "
            f"{result['peak_bytes'] / 1e6:.0f} MB, a worker {result['peak_bytes_of_largest_worker'] / 1e6:.0f} MB\n"
        )


if __name__ == "__main__":
    main()
