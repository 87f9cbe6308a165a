"""A suite of 500 benchmarks through the gate: all at once, and in eight shards whose reports are merged.

    python -m evidence.gate_shards          measures, twenty minutes; writes reports/scaling/gate_shards_*.json
    python -m evidence.scaling_page         docs/scaling.md from the report that it names

Head makes ten of the 500 slower. The shards run one after another, as if each had a runner of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from pricebench.files import atomic_write
from pricebench.gate.report import Report
from pricebench.load import LoadMeter
from pricebench.paired.statistics import LOOKS
from pricebench.reports import finite
from pricebench.units import Second, format_duration

FOLDER = Path(__file__).parents[1] / "reports" / "scaling"
NUM_BENCHMARKS = 500
NUM_SHARDS = 8
PLANTED = 0.15
_EVERY = 50
_SUITE = f"""
import pytest

SLOWDOWN = 1.0


def total(numbers):
    found = 0
    for number in numbers:
        found += number
    return found


@pytest.mark.parametrize("size", range({NUM_BENCHMARKS}))
def test_total(benchmark, size):
    length = 1500 + size
    benchmark(total, range(length if size % {_EVERY} else round(length * SLOWDOWN)))
"""


def main() -> int:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of a shard (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measured(Path(folder), options.budget)
    path = options.out / f"gate_shards_{report['fingerprint']}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    with atomic_write(path) as file:
        file.write(json.dumps(finite(report), indent=1).encode() + b"\n")
    sys.stdout.write(table(report))
    sys.stderr.write(f"wrote {path}\n")
    return 0


def measured(folder: Path, budget: Second) -> dict[str, Any]:
    """A report."""
    project, plan = _made(folder / "project"), folder / "plan.json"
    load = LoadMeter()
    started = time.monotonic()
    _gate(project, "--shards", str(NUM_SHARDS), "--plan", str(plan))
    planning = time.monotonic() - started
    parts = [
        _measured(project, folder / f"shard {number}", budget, "--shard", f"{number}/{NUM_SHARDS}", "--plan", str(plan))
        for number in range(1, NUM_SHARDS + 1)
    ]
    files = map(str, folder.glob("shard */gate/*.json"))
    _run(project, "merge", *files, "--reports", str(folder / "merged"))
    whole = _measured(project, folder / "whole", budget * NUM_SHARDS)
    others, _ = load.shares() or (None, None)
    return {
        "schema": 1,
        "started": whole.started,
        "fingerprint": whole.fingerprint,
        "machine": whole.machine,
        "cores": os.cpu_count(),
        "others": others,
        "planning_s": planning,
        "budget_s": budget,
        "whole": _of_a_run(whole) | _said(whole),
        "shards": [_of_a_run(part) for part in parts],
        "merged": _said(Report.load(next(folder.glob("merged/gate/*.json")))),
    }


def _made(project: Path) -> Path:
    """A repository whose checkout differs from its one commit by ten slowdowns."""
    project.mkdir()
    suite = project / "bench_many.py"
    suite.write_text(_SUITE, encoding="utf-8")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "base")):
        who = ("-c", "user.name=evidence", "-c", "user.email=evidence@localhost")
        subprocess.run(["git", *who, *command], cwd=project, check=True)  # noqa: S607
    suite.write_text(_SUITE.replace("SLOWDOWN = 1.0", f"SLOWDOWN = {1 + PLANTED}"), encoding="utf-8")
    return project


def _measured(project: Path, reports: Path, budget: Second, *options: str) -> Report:
    _gate(project, *options, "--budget", f"{budget:g}s", "--reports", str(reports))
    return Report.load(next((reports / "gate").glob("*.json")))


def _gate(project: Path, *options: str) -> None:
    _run(project, "--base", "HEAD", *options, "bench_many.py")


def _run(project: Path, *arguments: str) -> None:
    # Its exit code is the verdict, which the report holds too; where there is no report, reading it fails.
    subprocess.run(
        [sys.executable, "-m", "pricebench", "gate", *arguments], cwd=project, stdout=subprocess.DEVNULL, check=False
    )


def _of_a_run(report: Report) -> dict[str, Any]:
    return {
        "num_benchmarks": len(report.findings),
        "num_blocks": len(report.blocks),
        "block_s": [block.wall for block in report.blocks],
        "seconds": report.seconds,
    }


def _said(report: Report) -> dict[str, Any]:
    """The verdicts, apart for what was made slower and what was not."""
    counts: dict[str, Counter[str]] = {"slowed": Counter(), "same": Counter()}
    for finding in report.findings:
        number = int(finding.benchmark.rpartition("[")[2].rstrip("]"))
        counts["same" if number % _EVERY else "slowed"][str(finding.verdict)] += 1
    return {"sentence": report.sentence, **{kind: dict(found) for kind, found in counts.items()}}


# ---- what a report says --------------------------------------------------------------------------------------------


def table(report: dict[str, Any]) -> str:
    """At once, and in shards: blocks, seconds, verdicts."""
    whole, shards = report["whole"], report["shards"]
    num_slowed = NUM_BENCHMARKS // _EVERY
    lines = [
        "| | benchmarks | a block | blocks | took | a verdict would take | slowdowns found | said of others |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, runs, said in (
        ("one run", [whole], whole),
        (f"each of {NUM_SHARDS} shards", shards, report["merged"]),
    ):
        blocks = [median(run["block_s"]) for run in runs]
        cells = [
            _range([run["num_benchmarks"] for run in runs], str),
            _range(blocks, format_duration),
            _range([run["num_blocks"] for run in runs], str),
            _range([run["seconds"] for run in runs], format_duration),
            _range(
                [
                    run["seconds"] + (LOOKS[0] - run["num_blocks"]) * block
                    for run, block in zip(runs, blocks, strict=True)
                ],
                _minutes,
            ),
            f"{said['slowed'].get('slower', 0)} of {num_slowed}",
            ", ".join(f"{count} {verdict}" for verdict, count in sorted(said["same"].items())),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    machine = report["machine"]
    told = (
        f"{NUM_BENCHMARKS} benchmarks of some 50 us, {num_slowed} of them {PLANTED:.0%} slower in head. "
        f"The plan took {format_duration(report['planning_s'])}; {report['budget_s']:g} s of measuring a shard, "
        f"and as many in all for the one run. The first verdict needs {LOOKS[0]} blocks. {machine['cpu']}, "
        f"{report['cores']} cores, {report['started'][:10]}; other programs used {report['others'] or 0.0:.2f} cores."
    )
    return "\n".join([*lines, "", told]) + "\n"


def _minutes(seconds: Second) -> str:
    return f"{seconds / 60:.1f} min"


def _range(values: Sequence[Any], written: Callable[[Any], str]) -> str:
    low, high = written(min(values)), written(max(values))
    return low if low == high else f"{low} to {high}"


if __name__ == "__main__":
    sys.exit(main())
