"""What a large history in object storage costs: requests and seconds, the first time, the second, and with new runs.

    python -m evidence.remote_history                      10,000 runs; three minutes, 3 GB of memory and disk
    python -m evidence.remote_history --runs 1000          tries it out
    python -m evidence.remote_history --latency 0.03       each answer waits, as that of a store elsewhere does

The store is a process of its own on this machine (`evidence.object_store`), so that it takes its share of the cores.
Every opening is a process of its own too, with nothing but the cache from those before. Writes reports/scaling/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import s3fs

from evidence.history_speed import finish, start
from evidence.make_history import make_history
from evidence.object_store import KEYS_A_PAGE
from pricebench.files import atomic_write
from pricebench.load import LoadMeter
from pricebench.machine import this_machine
from pricebench.reports import finite

FOLDER = Path(__file__).parents[1] / "reports" / "scaling"
URL = "s3://bucket/runs"
NUM_NEW = 10
_UPLOADED_AT_ONCE = 64


class Store:
    """`evidence.object_store` in a process of its own."""

    def __init__(self, *, latency: float) -> None:
        command = [sys.executable, "-m", "evidence.object_store", "--latency", str(latency)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.environment: dict[str, str] = self._answer()

    def counted(self) -> dict[str, int]:
        """What was asked of it since the last call."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: dict[str, int] = self._answer()
        return counts

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """Let it end, with all that it holds."""
        self._process.communicate()


def upload(folder: Path, files: Sequence[Path]) -> None:
    """Put files where they are below the folder."""
    system = s3fs.S3FileSystem(config_kwargs={"max_pool_connections": _UPLOADED_AT_ONCE})
    system.makedirs("bucket", exist_ok=True)
    for start_at in range(0, len(files), _UPLOADED_AT_ONCE):
        some = files[start_at : start_at + _UPLOADED_AT_ONCE]
        system.pipe({f"{URL}/{path.relative_to(folder)}": path.read_bytes() for path in some})


def measure(num_runs: int, *, latency: float) -> dict[str, Any]:
    """Make, upload, open."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, cache = Path(temporary, "history"), Path(temporary, "cache")
        make_history(folder, num_runs=num_runs + NUM_NEW, num_samples=30)
        # By the number in front of the name, which counts on each of three machines.
        files = sorted(folder.rglob("*.json"), key=lambda path: path.name)
        old, new = files[:num_runs], files[num_runs:]
        store = Store(latency=latency)
        os.environ.update(store.environment)
        meter = LoadMeter()
        try:
            started = time.perf_counter()
            upload(folder, old)
            uploaded = time.perf_counter() - started
            store.counted()
            openings = []
            for title, more in (("first", []), ("second", []), (f"{NUM_NEW} new", new), ("third", [])):
                if more:
                    upload(folder, more)
                    store.counted()
                openings.append({"opening": title, **finish(start(URL, cache)), "requests": store.counted()})
                sys.stderr.write(line(openings[-1]))
        finally:
            store.end()
        num_bytes = sum(path.stat().st_size for path in old)
    return {
        "num_runs": num_runs,
        "num_bytes": num_bytes,
        "latency_s": latency,
        "upload_s": uploaded,
        "openings": openings,
        "other_programs": meter.shares(),
    }


def expected(num_runs: int, num_read: int) -> dict[str, int]:
    """What opening has to ask: a page of the list for each thousand keys, and each run that is new."""
    pages = {"ListObjects": -(-num_runs // KEYS_A_PAGE)}
    return pages | ({"GetObject": num_read} if num_read else {})


def line(opening: dict[str, Any]) -> str:
    """An opening for people."""
    return (
        f"{opening['opening']:>8}: {opening['open_s']:.2f} s, imports {opening['import_s']:.2f} s, "
        f"{opening['num_read']:,} runs read, {opening['requests']}, peak {opening['peak_bytes'] / 1e6:.0f} MB, "
        f"a worker {opening['peak_bytes_of_largest_worker'] / 1e6:.0f} MB\n"
    )


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer waits")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report")
    options = parser.parse_args()
    started, machine = datetime.now(UTC), this_machine()
    measured = measure(options.runs, latency=options.latency)
    for opening in measured["openings"]:
        wanted = expected(opening["num_runs"], opening["num_read"])
        if opening["requests"] != wanted:
            sys.exit(f"{opening['opening']}: expected {wanted}, found {opening['requests']}")
    report = {
        "started": started.isoformat(timespec="seconds"),
        "fingerprint": machine.digest,
        "machine": asdict(machine),
        "cores": len(os.sched_getaffinity(0)),
        "s3fs": s3fs.__version__,
        **measured,
    }
    path = options.out / f"remote_history-{machine.digest}_{started:%Y%m%dT%H%M%SZ}.json"
    with atomic_write(path) as file:
        file.write(json.dumps(finite(report), indent=1).encode() + b"\n")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
