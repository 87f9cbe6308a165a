"""Bulk pricing on a Ray cluster beside one process: are the bits the same, what does a node cost, and a lost one?

    python -m evidence.bulk measure                                      20 million rows, about an hour; can be resumed
    python -m evidence.bulk measure --rows 1000000 --shards 20 --many 200
    python -m evidence.bulk table reports/scaling/FILE.json              what a report says, as Markdown

Every case is a process of its own. The nodes of a cluster are Ray's own processes on this machine, one CPU each; where
a case has one core, it and its nodes are held to that one. Houses carry their number, so that whoever reads the prices
sees that each is there once and in order.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pricebench.files import atomic_write
from pricebench.load import LoadMeter
from pricebench.reports import finite
from pricebench.units import format_duration, format_rate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "reports" / "scaling"
_FILES = 4
_SEED = 20_261
_BLOCK_ROWS = 500_000
# A node that does not answer is dead after some seconds instead of 15: what a kill costs is then mostly its shards.
_HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to price all houses.

    Attributes:
        nodes: Of the cluster, the head among them; 0 for the engine `local`.
        has_many: Whether the houses are cut into many shards.
        has_one_core: Whether all of it is held to one core.
        kills: Whether a node is killed when half of the shards are priced.
    """

    nodes: int = 0
    has_many: bool = False
    has_one_core: bool = False
    kills: bool = False


CASES = {
    "local": Case(has_one_core=True),
    "local, many shards": Case(has_one_core=True, has_many=True),
    "one node": Case(nodes=1, has_one_core=True),
    "one node, many shards": Case(nodes=1, has_one_core=True, has_many=True),
    "three nodes": Case(nodes=3),
    "three nodes, one killed": Case(nodes=3, kills=True),
}


def main() -> int:
    """Measure, or show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--rows", type=int, default=20_000_000, help="(default: %(default)s)")
    measuring.add_argument("--shards", type=int, default=40, help="few of them (default: %(default)s)")
    measuring.add_argument("--many", type=int, default=2_000, help="many of them (default: %(default)s)")
    measuring.add_argument("--case", action="append", choices=CASES, help="only this one (may be repeated)")
    measuring.add_argument("--work", type=Path, default=Path("/tmp/pricebench-bulk"), help="houses and prices")  # noqa: S108
    measuring.add_argument("--reports", type=Path, default=FOLDER, help="(default: %(default)s)")
    measuring.add_argument("--resume", type=Path, metavar="FILE", help="a report that lacks cases")
    one = commands.add_parser("case")
    one.add_argument("--name", required=True)
    one.add_argument("--work", type=Path, required=True)
    one.add_argument("--shard-rows", type=int, required=True)
    one.add_argument("--num-shards", type=int, required=True)
    showing = commands.add_parser("table")
    showing.add_argument("report", type=Path)
    options = parser.parse_args()
    if options.command == "case":
        json.dump(_priced(CASES[options.name], options.work, options.shard_rows, options.num_shards), sys.stdout)
    elif options.command == "table":
        sys.stdout.write(table(json.loads(options.report.read_text())))
    else:
        _measure(options)
    return 0


def _measure(options: argparse.Namespace) -> None:
    from pricebench.machine import this_machine  # noqa: PLC0415 - it imports torch

    machine = this_machine()
    if options.resume:
        path, report = options.resume, json.loads(options.resume.read_text())
    else:
        path = options.reports / f"{machine.digest}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        sizes = {"rows": options.rows, "shards": options.shards, "many": options.many}
        report = {
            "schema": 1,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "machine": asdict(machine),
            "cores": os.cpu_count(),
            "houses": sizes,
            "cases": {},
        }
    houses = report["houses"]
    work = options.work / "-".join(str(houses[size]) for size in ("rows", "many"))
    _make_houses(work, houses["rows"], houses["many"])
    for name in options.case or CASES:
        if name in report["cases"]:
            continue
        num_shards = houses["many"] if CASES[name].has_many else houses["shards"]
        command = [sys.executable, "-m", "evidence.bulk", "case", "--name", name, "--work", str(work)]
        command += ["--num-shards", str(num_shards), "--shard-rows", str(-(-houses["rows"] // num_shards))]
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, cwd=ROOT)
        report["cases"][name] = json.loads(answer.stdout)
        with atomic_write(path) as file:
            file.write(json.dumps(finite(report), indent=1).encode() + b"\n")
        sys.stderr.write(f"{name}: {report['cases'][name]['seconds']:.0f} s\n")
    shutil.rmtree(work)
    sys.stdout.write(table(report))
    sys.stderr.write(f"wrote {path}\n")


def _make_houses(work: Path, num_rows: int, many: int) -> None:
    """Files of numbered houses, with row groups so small that many shards can be cut; and a model."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from pricebench.data import FEATURES, make_houses  # noqa: PLC0415
    from pricebench.training import TrainingConfig, train  # noqa: PLC0415

    if (work / "ready").exists():
        return
    (work / "data").mkdir(parents=True, exist_ok=True)
    group_rows = -(-num_rows // many)
    start = 0
    for index in range(_FILES):
        stop = num_rows * (index + 1) // _FILES // group_rows * group_rows if index + 1 < _FILES else num_rows
        writer = None
        while start < stop:
            count = min(max(group_rows, _BLOCK_ROWS // group_rows * group_rows), stop - start)
            features_NF = make_houses(count, seed=_SEED + start).features_NF
            rows = pa.table(
                {"house": np.arange(start, start + count)} | dict(zip(FEATURES, features_NF.T, strict=True))
            )
            writer = writer or pq.ParquetWriter(work / "data" / f"houses-{index}.parquet", rows.schema)
            writer.write_table(rows, row_group_size=group_rows)
            start += count
        if writer is not None:
            writer.close()
    train(make_houses(), TrainingConfig(epochs=20)).artifacts.save(work / "artifacts")
    (work / "ready").touch()


def _priced(case: Case, work: Path, shard_rows: int, num_shards: int) -> dict[str, Any]:
    """Price all houses, and see that each is there once."""
    from pricebench.scaling.cluster import LOOPBACK, QUIET  # noqa: PLC0415

    os.environ.update(QUIET | LOOPBACK)
    if case.has_one_core:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from contextlib import ExitStack  # noqa: PLC0415

    from pricebench.artifacts import Artifacts  # noqa: PLC0415
    from pricebench.scaling.bulk import begin, plan, run  # noqa: PLC0415
    from pricebench.scaling.engines import here, on_ray  # noqa: PLC0415
    from pricebench.scaling.manifest import Options  # noqa: PLC0415
    from pricebench.scaling.pricing import Pricing  # noqa: PLC0415

    out = work / "prices"
    shutil.rmtree(out, ignore_errors=True)
    pricing = Pricing(
        model=Pricing.files_of(work / "artifacts"),
        exported=None,
        mode=None,
        transforms=(),
        threads=1,
        keeps_bad_rows=False,
        out=str(out),
    )
    options = Options(
        model=Artifacts.load(work / "artifacts").stats.model_digest,
        mode="eager",
        transforms=(),
        threads=1,
        shard_rows=shard_rows,
        keeps_bad_rows=False,
        torch="",
    )
    finished_at, peaks = [], {}
    meter = LoadMeter()
    with ExitStack() as ends:
        nodes = _Nodes(case.nodes)
        ends.callback(nodes.shutdown)

        def show(_: object) -> None:
            finished_at.append(time.monotonic())
            for node, size in nodes.memory().items():
                peaks[node] = max(peaks.get(node, 0), size)
            if case.kills and len(finished_at) == num_shards // 2:
                nodes.kill_one()

        begun = time.monotonic()
        engine = on_ray(pricing, nodes.address) if case.nodes else here(pricing, pricing.predictor())
        job = run(begin(plan([str(work / "data")], options), str(out), is_resumed=False), str(out), engine, show=show)
        seconds = time.monotonic() - begun
        warnings = meter.warnings(own=nodes.seconds)
    if not case.nodes:
        peaks["the process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "seconds": seconds,
        "first_shard": finished_at[0] - begun,
        "finished": [moment - begun for moment in finished_at],
        "rows": [job.finished[index].rows for index in sorted(job.finished)],
        "digests": [job.finished[index].digest for index in sorted(job.finished)],
        "in_order": _are_all_there(out, sum(shard.rows for shard in job.finished.values())),
        "peak_bytes": peaks,
        "warnings": warnings,
    }


class _Nodes:
    """Nodes of a cluster on this machine."""

    def __init__(self, num_nodes: int) -> None:
        self.address = None
        self._seconds: dict[int, float] = {}
        self._killed: set[str] = set()
        if not num_nodes:
            self._cluster, self._nodes = None, {}
            return
        from ray.cluster_utils import Cluster  # noqa: PLC0415

        memory = 100 << 20
        head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": memory, "_system_config": _HEALTH}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes = {"head": self._cluster.head_node}
        for number in range(1, num_nodes):
            self._nodes[f"worker {number}"] = self._cluster.add_node(num_cpus=1, object_store_memory=memory)
        self.address = self._cluster.address

    def kill_one(self) -> None:
        """Kill a worker node and all that runs on it, as a machine would be lost."""
        name, node = list(self._nodes.items())[-1]
        self._killed.add(name)
        self._cluster.remove_node(node, allow_graceful=False)

    def memory(self) -> dict[str, int]:
        """Resident bytes of each node's processes."""
        family = _family()
        self._seconds |= {pid: seconds for pid, (_, seconds) in family.items()}
        found = {}
        for name, node in self._nodes.items():
            if name not in self._killed:
                root = node.all_processes["raylet"][0].process.pid
                found[name] = sum(_resident(pid) for pid in family if _descends(pid, root, family))
        return found

    @property
    def seconds(self) -> float:
        """Processor time of all processes of all nodes, killed ones too, as of the last look at the memory."""
        return sum(self._seconds.values())

    def shutdown(self) -> None:
        if self._cluster is not None:
            self._cluster.shutdown()


def _family() -> dict[int, tuple[int, float]]:
    """What this process has started, and that in turn: parent, and seconds of processor time."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            found[int(folder.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return {pid: told for pid, told in found.items() if pid != os.getpid() and _descends(pid, os.getpid(), found)}


def _descends(pid: int, root: int, family: dict[int, tuple[int, float]]) -> bool:
    while pid in family and pid != root:
        pid = family[pid][0]
    return pid == root


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:  # it has ended
        return 0


def _are_all_there(out: Path, num_rows: int) -> bool:
    """Whether the files, by their names, hold the houses 0, 1, 2, ..., each once."""
    import numpy as np  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    start = 0
    for path in sorted(out.glob("prices-*.parquet")):
        numbers = pq.read_table(path, columns=["house"]).column("house").to_numpy()
        if not np.array_equal(numbers, np.arange(start, start + len(numbers))):
            return False
        start += len(numbers)
    return start == num_rows


def table(report: dict[str, Any]) -> str:
    """A row per case, and what it costs to be a shard."""
    cases, houses = report["cases"], report["houses"]
    lines = ["| | shards | to the first shard | rows/s from then on | all in all | most memory of a node |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for name, found in cases.items():
        rows = sum(found["rows"])
        steady = (rows - found["rows"][0]) / max(1e-9, found["finished"][-1] - found["finished"][0])
        lines.append(
            f"| {name} | {len(found['rows']):,} | {format_duration(found['first_shard'])} | {format_rate(steady)} "
            f"| {format_duration(found['seconds'])} | {max(found['peak_bytes'].values()) / 2**20:,.0f} MiB |"
        )
    lines.append("")
    base = cases.get("local")
    for name, found in cases.items():
        twin = "local, many shards" if CASES[name].has_many else "local"
        if twin not in cases or name == twin:
            continue
        is_same = found["digests"] == cases[twin]["digests"]
        lines.append(f"{name}: {'the same bytes as' if is_same else 'OTHER BYTES THAN'} {twin}.")
    order = all(found["in_order"] for found in cases.values())
    lines.append(f"Every house once and in order: {'yes, in every case' if order else 'NO'}.")
    for few in ("local", "one node"):
        many = f"{few}, many shards"
        if few in cases and many in cases:
            more = len(cases[many]["rows"]) - len(cases[few]["rows"])
            seconds = (_steady(cases[many]) - _steady(cases[few])) / more
            lines.append(f"A shard more costs {few}: {format_duration(max(0.0, seconds))}.")
    if base and "one node" in cases:
        seconds = (_steady(cases["one node"]) - _steady(base)) / houses["rows"]
        lines.append(f"A row costs one node {seconds * 1e9:.0f} ns more than local, on the same core.")
    machine = report["machine"]
    warnings = sorted({words for found in cases.values() for words in found["warnings"]})
    lines.append(
        f"{houses['rows']:,} rows, {report['cores']} cores, {machine['cpu']}, torch {machine['torch']}, one thread a "
        f"process, {report['started'][:10]}, commit {report['commit'][:8]}. Warnings: {'; '.join(warnings) or 'none'}."
    )
    return "\n".join(lines) + "\n"


def _steady(found: dict[str, Any]) -> float:
    """Seconds from the first shard to the last, as if the first had been priced in them too."""
    span = found["finished"][-1] - found["finished"][0]
    return float(span) * len(found["finished"]) / max(1, len(found["finished"]) - 1)


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
