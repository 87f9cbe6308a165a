"""Training in several processes beside one: rows a second, what the sum of gradients costs, the cliff on one rank.

    python -m evidence.ranks measure --rounds 8     writes reports/scaling/ranks_<fingerprint>_<time>.json
    python -m evidence.scaling_page                 docs/scaling.md from the report that it names

Every arm is started anew in every round, in random order, so that what slows the machine for minutes hits all arms.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from evidence.intervals import times_faster
from pricebench.load import LoadMeter
from pricebench.reports import finite
from pricebench.units import format_duration, format_rate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "reports" / "scaling"
ONE, TWO_THREADS, RANKS = "1 process, 1 thread", "1 process, 2 threads", "2 ranks, 1 thread each"
ARMS = {ONE: (1, 1), TWO_THREADS: (1, 2), RANKS: (2, 1)}
WHOLE, WITHOUT = "whole", "without the sum"
ROWS = (2_048, 16_384, 131_072)
BYTES = (4, 4_096, 65_536, 270_340, 1_048_576, 8_388_608, 33_554_432)
GRADIENTS = 270_340  # bytes: 67,585 parameters in float32
CLIFF_ARMS = ("on one rank", "on all ranks", "padded", "drop_last")
_FULL, _RESIDUAL = 2_048, 1_531
_BATCHES = [*[_FULL] * 12, _RESIDUAL, *[_FULL] * 12, _RESIDUAL, *[_FULL] * 12]
# Of networks that are not here: usual orders of magnitude, as docs/scaling.md says; latency in seconds, bytes a second.
NETWORKS = {"10 Gbit/s Ethernet, TCP": (25e-6, 1.25e9), "100 Gbit/s, RDMA": (3e-6, 12.5e9)}
_NUM_RANKS = (2, 8, 64, 512)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure",))
    parser.add_argument("--rounds", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--cliff-rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.4, help="of a slice (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report")
    options = parser.parse_args()
    report = measured(options.rounds, options.cliff_rounds, options.seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"ranks_{report['fingerprint']}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(finite(report), separators=(",", ":")).replace('{"arm":', '\n{"arm":') + "\n")
    sys.stdout.write(table(report))
    sys.stderr.write(f"wrote {path}\n")
    return 0


def measured(rounds: int, cliff_rounds: int, seconds: float) -> dict[str, Any]:
    """A report."""
    from pricebench.machine import this_machine  # noqa: PLC0415 - imports torch, only where it is measured

    order = random.Random(0)  # noqa: S311 - no secret
    found: list[dict[str, Any]] = []
    for number in range(rounds):
        for arm in order.sample(list(ARMS), len(ARMS)):
            ranks, threads = ARMS[arm]
            question = {"threads": threads, "rows": ROWS, "matmul": "auto", "seconds": seconds}
            load = LoadMeter()
            told = _ask("steps", question, ranks)
            others, _ = load.shares() or (None, None)
            found.append({"arm": arm, "round": number, "others": others, "steps": told})
            sys.stderr.write(f"round {number}: {arm}\n")
    sums = _ask("messages", {"threads": 1, "bytes": BYTES}, 2)
    cliffs = []
    for number in range(cliff_rounds):
        for arm in order.sample(CLIFF_ARMS, len(CLIFF_ARMS)):
            told = _ask("cliff", {"threads": 1, "rows": _FULL, "batches": _BATCHES, "arm": arm}, 2)
            cliffs.append({"arm": arm, "round": number, "seconds": [json.loads(words) for words in told["seconds"]]})
            sys.stderr.write(f"cliff, round {number}: {arm}\n")
    machine = this_machine()
    return {
        "schema": 1,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": machine.digest,
        "machine": asdict(machine),
        "cores": os.cpu_count(),
        "launches": found,
        "messages": sums,
        "cliffs": cliffs,
    }


def _ask(what: str, question: dict[str, Any], ranks: int) -> Any:
    """Start the processes, each with a compile cache that nobody has used."""
    launcher = [sys.executable, "-m"]
    if ranks > 1:
        launcher += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m"]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        environment = os.environ | {"OMP_NUM_THREADS": str(question["threads"]), "TORCHINDUCTOR_CACHE_DIR": folder}
        command = [*launcher, "evidence.ranks_worker", what, json.dumps(question), str(answer)]
        subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        return json.loads(answer.read_text(encoding="utf-8"))


# ---- what a report says --------------------------------------------------------------------------------------------


def seconds_of(report: dict[str, Any], arm: str, rows: int, way: str = WHOLE) -> list[float]:
    """Of a step, one number per round: the median of the launch."""
    launches = [launch for launch in report["launches"] if launch["arm"] == arm]
    return [median(launch["steps"][str(rows)][way]) for launch in launches]


def alpha_and_beta(report: dict[str, Any]) -> tuple[float, float]:
    """Latency and bytes a second of a sum over two ranks here: seconds = 2 latency + bytes / rate, by its ends."""
    seconds = {int(size): value for size, value in report["messages"].items()}
    smallest, largest = min(seconds), max(seconds)
    return seconds[smallest] / 2, largest / (seconds[largest] - seconds[smallest])


def of_the_sum(num_ranks: int, alpha: float, rate: float, num_bytes: int = GRADIENTS) -> float:
    """Seconds of a ring all-reduce (Patarasuk and Yuan 2009): 2 (R - 1) messages, each a share of the bytes."""
    return 2 * (num_ranks - 1) * (alpha + num_bytes / num_ranks / rate)


def table(report: dict[str, Any]) -> str:
    """Rows a second, the cost of the sum, the model on paper, the cliff."""
    return (
        "\n".join([*_rates(report), "", *_sums(report), "", *_paper(report), "", *_cliffs(report), "", _told(report)])
        + "\n"
    )


def _rates(report: dict[str, Any]) -> list[str]:
    yields = ["| rows of a batch | " + " | ".join(ARMS) + " | 2 ranks against 1 thread | against 2 threads |"]
    yields.append("|---:|" + "---:|" * (len(ARMS) + 2))
    for rows in ROWS:
        seconds = {arm: seconds_of(report, arm, rows) for arm in ARMS}
        cells = [f"{format_rate(rows / median(seconds[arm]))[:-2]} rows/s" for arm in ARMS]
        for other in (ONE, TWO_THREADS):
            ratio, low, high = times_faster(np.log(np.array(seconds[other]) / np.array(seconds[RANKS])))
            cells.append(f"{ratio:.2f} ({low:.2f} to {high:.2f})")
        yields.append(f"| {rows:,} | {' | '.join(cells)} |")
    return yields


def _sums(report: dict[str, Any]) -> list[str]:
    lines = [
        "| rows of a batch | a step of 2 ranks | without the sum | the sum | of the step |",
        "|---:|---:|---:|---:|---:|",
    ]
    for rows in ROWS:
        whole, without = (median(seconds_of(report, RANKS, rows, way)) for way in (WHOLE, WITHOUT))
        cost = whole - without
        told = f"{format_duration(cost)} | {cost / whole:.0%}" if cost > 0 else "not to be seen | -"
        lines.append(f"| {rows:,} | {format_duration(whole)} | {format_duration(without)} | {told} |")
    alone = report["messages"][str(GRADIENTS)]
    alpha, rate = alpha_and_beta(report)
    lines += [
        "",
        (
            f"The sum alone, {GRADIENTS:,} bytes over two ranks by gloo on loopback: {format_duration(alone)}; "
            f"an empty message {format_duration(2 * alpha)}; {rate / 1e9:.2f} GB/s for large ones."
        ),
    ]
    return lines


def _paper(report: dict[str, Any]) -> list[str]:
    """Share of perfect scaling by ranks: each a machine with one thread of this CPU."""
    own = {"this machine's loopback": alpha_and_beta(report)}
    lines = ["| network | rows a rank | " + " | ".join(f"{num} ranks" for num in _NUM_RANKS) + " |"]
    lines.append("|---|---:|" + "---:|" * len(_NUM_RANKS))
    for network, (alpha, rate) in (own | NETWORKS).items():
        for rows in ROWS:
            step = median(seconds_of(report, ONE, rows))
            cells = [f"{step / (step + of_the_sum(num, alpha, rate)):.1%}" for num in _NUM_RANKS]
            lines.append(f"| {network} | {rows:,} | {' | '.join(cells)} |")
    return lines


def _cliffs(report: dict[str, Any]) -> list[str]:
    lines = [
        "| residual batch | its first step, each rank | later full steps against before | second residual |",
        "|---|---:|---:|---:|",
    ]
    for arm in CLIFF_ARMS:
        runs = [run["seconds"] for run in report["cliffs"] if run["arm"] == arm]
        if arm == "drop_last":
            ratio = _median(np.median(rank[12:]) / np.median(rank[4:12]) for run in runs for rank in run)
            lines.append(f"| left out | - | {ratio:.2f} | - |")
            continue
        stalls = [_median(run[rank][12] for run in runs) for rank in range(2)]
        second = _median(rank[25] for run in runs for rank in run)
        ratio = _median(np.median(rank[14:25]) / np.median(rank[4:12]) for run in runs for rank in run)
        lines.append(
            f"| {arm} | {' and '.join(map(format_duration, stalls))} | {ratio:.2f} | {format_duration(second)} |"
        )
    return lines


def _median(values: Any) -> float:
    return float(np.median(list(values)))


def _told(report: dict[str, Any]) -> str:
    machine = report["machine"]
    rounds = 1 + max(launch["round"] for launch in report["launches"])
    others = _median(launch["others"] or 0.0 for launch in report["launches"])
    return (
        f"Medians of {rounds} rounds, in which each arm was started anew in random order; ratios with 95 % intervals "
        f"over the rounds. {machine['cpu']}, {report['cores']} cores, torch {machine['torch']}, "
        f"{report['started'][:10]}; other programs used {others:.2f} cores."
    )


if __name__ == "__main__":
    sys.exit(main())
