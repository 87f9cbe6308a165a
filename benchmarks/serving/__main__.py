"""The proof under load, by name: `uv run --group load python -m benchmarks.serving [WHAT ...] [options]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

from benchmarks.serving import faults, hostile, rates, soak
from benchmarks.serving.desk import Desk, Settings
from benchmarks.serving.lineup import OURS, ours, rivals
from benchmarks.serving.processes import NotServingError
from pricebench.artifacts import MODEL_FILE, Artifacts
from pricebench.errors import PricebenchError
from pricebench.files import stored_reports
from pricebench.traffic.analysis import best_of_ours
from pricebench.traffic.records import FOLDER, Report, Stage, Traffic, TrafficError
from pricebench.traffic.search import PRECISION
from pricebench.traffic.table import conditions, sections, warnings

PARTS = ("rates", "stages", "soak", "hostile", "faults")
_COMMIT = ("git", "describe", "--always", "--dirty", "--abbrev=8")
_QUICK = {"step": 1.0, "confirm": 2.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is named, and print the report."""
    given = _parser().parse_args(arguments)
    if find_spec("mlperf_loadgen") is None:
        sys.stderr.write("LoadGen is not installed. Install it (Linux, x86-64): uv sync --group load.\n")
        return 2
    if not (given.artifacts / MODEL_FILE).is_file():
        sys.stderr.write(f"There is no model in {given.artifacts}. Train one: uv run pricebench train.\n")
        return 2
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.stderr.write("expected two cores, one for the server and one for the client, found one.\n")
        return 2
    settings = Settings(
        artifacts=given.artifacts,
        server_core=cores[0],
        client_core=cores[1],
        connections=given.connections,
        seed=given.seed,
        **(_QUICK if given.quick else {"step": given.step, "confirm": given.confirm}),
    )
    try:
        report, path = _begun(given, settings)
        with Desk.open(settings) as desk:
            for part in given.parts or PARTS:
                report = _do(part, desk, report, path, given)
                report.save(path)
    except (PricebenchError, NotServingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _print(report)
    sys.stderr.write(f"report: {path}\n")
    return 0


def _do(part: str, desk: Desk, report: Report, path: Path, given: argparse.Namespace) -> Report:
    modes, artifacts = given.modes.split(","), str(given.artifacts)
    best = best_of_ours(report, Traffic.ONE)
    # What is not about rates is about the mode that is the fastest, or the first that was named.
    mode = best.server.removeprefix(OURS) if best else modes[0]
    if part == "rates":
        contenders = [*(ours(each, artifacts) for each in modes), *rivals()]
        if given.servers:
            contenders = [each for each in contenders if each.name in given.servers.split(",")]
        return rates.measure(
            desk,
            report,
            contenders,
            save=lambda each: each.save(path),
            traffics=[Traffic.ONE] if given.quick else tuple(Traffic),
            precision=1.2 if given.quick else PRECISION,
            budget=60.0 * given.budget,
        )
    if part == "stages":
        command = (sys.executable, "-m", "benchmarks.serving.stages", artifacts, mode, str(desk.settings.server_core))
        found = json.loads(run(command, capture_output=True, text=True, check=True).stdout)
        return replace(report, stages=tuple(map(Stage.from_json, found)))
    if part == "hostile":
        contender = ours(mode, artifacts, *hostile.OPTIONS)
        return replace(report, hostile=hostile.hostile(desk, contender, number=given.requests, seed=given.seed))
    rate = given.rate or (best.rate if best else None)
    if rate is None:
        raise TrafficError(f"{part}: expected a highest rate of ours, found none in the report. Name one: --rate.")
    if part == "soak":
        share = soak.SHARE if given.rate is None else 1.0
        minutes = given.minutes if not given.quick else min(given.minutes, 0.5)
        return replace(report, soak=soak.soak(desk, ours(mode, artifacts), rate=rate * share, seconds=60.0 * minutes))
    return replace(report, faults=faults.faults(desk, mode, rate=rate / 2))


def _begun(given: argparse.Namespace, settings: Settings) -> tuple[Report, Path]:
    """The report to go on with, or a new one."""
    from pricebench.machine import this_machine  # noqa: PLC0415 - torch, after the arguments were read

    machine = this_machine()
    now = datetime.now(UTC)
    fresh = Report(
        started=now.isoformat(timespec="seconds"),
        fingerprint=machine.digest,
        machine=asdict(machine),
        conditions={
            "server_core": settings.server_core,
            "client_core": settings.client_core,
            "connections": settings.connections,
            "step": settings.step,
            "confirm": settings.confirm,
            "seed": settings.seed,
            "model": Artifacts.load(settings.artifacts).stats.model_digest[:12],
            "commit": _commit(),
        },
    )
    folder = given.reports / FOLDER
    if given.report:
        return Report.load(given.report), given.report
    found = None if given.new else _newest_alike(folder, fresh)
    if found:
        sys.stderr.write(f"going on with {found[0]}\n")
        return found[1], found[0]
    return fresh, folder / f"{fresh.fingerprint}_{now:%Y%m%dT%H%M%SZ}.json"


def _newest_alike(folder: Path, fresh: Report) -> tuple[Path, Report] | None:
    """The newest report of this machine and these conditions: what it has is kept, what it lacks is added."""
    for path in reversed(stored_reports(folder)):
        begun = Report.load(path)
        if (begun.fingerprint, begun.conditions) == (fresh.fingerprint, fresh.conditions):
            return path, begun
    return None


def _commit() -> str:
    try:
        found = run(_COMMIT, capture_output=True, text=True, check=True)
    except OSError:
        return "unknown"
    return found.stdout.strip()


def _print(report: Report) -> None:
    for section in sections(report):
        sys.stdout.write(f"## {section.title}\n\n{section.markdown()}\n\n")
    for sentence in [*conditions(report), *(f"Warning: {warning}." for warning in warnings(report))]:
        sys.stdout.write(f"{sentence}\n\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    known = f"{', '.join(PARTS)}; all by default"
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="WHAT", help=known)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="folder of a trained model")
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    parser.add_argument("--report", type=Path, help="add to this report")
    parser.add_argument("--new", action="store_true", help="begin a new report where one is not complete")
    parser.add_argument("--modes", default="eager", help="of our server, with commas between")
    parser.add_argument("--servers", default="", help="only these, with commas between")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--step", type=float, default=4.0, metavar="SECONDS", help="of a probe")
    parser.add_argument("--confirm", type=float, default=10.0, metavar="SECONDS", help="of the probe that confirms")
    parser.add_argument("--budget", type=float, default=18.0, metavar="MINUTES", help="for the search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the soak")
    parser.add_argument("--requests", type=int, default=20_000, help="of hostile clients")
    parser.add_argument("--rate", type=float, help="of soak and faults, where the report has no highest rate")
    parser.add_argument("--quick", action="store_true", help="short probes of one house, to try it out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
