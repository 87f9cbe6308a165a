"""From the reports of all shards to the one report of their run. What is not provably one run is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pricebench.gate.control import Control
from pricebench.gate.partition import digest
from pricebench.gate.records import GateError
from pricebench.gate.report import Report
from pricebench.gate.shard import Shard
from pricebench.paired.records import machine_digest


def merge(paths: Sequence[Path]) -> Report:
    """One verdict. No benchmark is judged again: each was, by all of its blocks, within one shard.

    Raises:
        GateError: The files are not all shards of one run; the message names the first difference.
    """
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise GateError(f"{twice[0]} is named twice. Name one file a shard.")
    reports = {path: Report.load(path) for path in paths}
    shards = {path: _shard(path, report) for path, report in reports.items()}
    _refuse_strangers(shards)
    _refuse_gaps(shards)
    for path, report in reports.items():
        _refuse_foreign_findings(path, report, shards[path])
    parts = sorted(reports.values(), key=_number)
    own = tuple(report.shard for report in parts if report.shard)
    machines = {machine_digest(shard.machine): shard.machine for shard in own}
    return replace(
        parts[0],
        started=min(report.started for report in parts),
        # Of several machines there is no one digest; a joint one is the same for the same set.
        fingerprint=next(iter(machines)) if len(machines) == 1 else machine_digest(dict(sorted(machines.items()))),
        conditions={
            **{name: value for name, value in parts[0].conditions.items() if name not in ("cores", "seed")},
            "shards": len(parts),
        },
        findings=tuple(finding for report in parts for finding in report.findings),
        control=_control(own),
        structure=tuple(dict.fromkeys(told for report in parts for told in report.structure)),
        unchecked=tuple(dict.fromkeys(told for report in parts for told in report.unchecked)),
        was_structure_checked=any(report.was_structure_checked for report in parts),
        warnings=tuple(_told_once({_number(report): report.warnings for report in parts})),
        blocks=tuple(block for report in parts for block in report.blocks),
        # They run beside each other.
        seconds=max(report.seconds for report in parts),
        shard=None,
        shards=own,
    )


def _number(report: Report) -> int:
    assert report.shard is not None
    return report.shard.number


def _shard(path: Path, report: Report) -> Shard:
    if report.shard is None:
        found = "a merged report" if report.shards else "a report of a whole run"
        raise GateError(f"{path}: expected the report of a shard, found {found}. Name what --shard wrote.")
    return report.shard


def _refuse_strangers(shards: Mapping[Path, Shard]) -> None:
    first, *others = shards
    expected = shards[first].all_facts()
    for path in others:
        facts = shards[path].all_facts()
        for name in {**expected, **facts}:
            if (found := facts.get(name)) != (known := expected.get(name)):
                raise GateError(
                    f"{path} ({shards[path].title}) is of another run: {name}: expected {known} as in {first}, "
                    f"found {found}. Merge shards of one run, or measure this one again."
                )


def _refuse_gaps(shards: Mapping[Path, Shard]) -> None:
    by_number: dict[int, Path] = {}
    for path, shard in shards.items():
        if shard.number in by_number:
            raise GateError(
                f"{path}: {shard.title} is there twice, also in {by_number[shard.number]}. Name one file a shard."
            )
        by_number[shard.number] = path
    count = next(iter(shards.values())).count
    if missing := [str(number) for number in range(1, count + 1) if number not in by_number]:
        raise GateError(
            f"expected {count} shards, found {len(by_number)}: missing {', '.join(missing)}. "
            f"Measure: pricebench gate --shard {missing[0]}/{count} with the options of the others."
        )
    # The digest is over all parts, and each part is here: together they have to be what every one of them knew.
    ordered = sorted(shards.values(), key=lambda shard: shard.number)
    found = digest(tuple(shard.benchmarks for shard in ordered))
    if found != ordered[0].partition:
        raise GateError(
            f"expected the partition {ordered[0].partition}, the benchmarks of these {count} files are {found}: "
            "a file was changed. Measure them again."
        )


def _refuse_foreign_findings(path: Path, report: Report, shard: Shard) -> None:
    for finding in report.findings:
        if finding.benchmark not in shard.benchmarks:
            raise GateError(
                f"{path}: {shard.title} says something of {finding.benchmark}, which is not its own. Measure it again."
            )


def _control(shards: Sequence[Shard]) -> Control | None:
    """The one that was not seen, if there is one: each shard has its own, and all have to be seen."""
    controls = [shard.control for shard in shards if shard.control]
    return next((control for control in controls if not control.is_seen), controls[0] if controls else None)


def _told_once(warnings: Mapping[int, Sequence[str]]) -> Iterator[str]:
    """What all say is said once; what only some say, with their numbers."""
    for warning in dict.fromkeys(told for each in warnings.values() for told in each):
        numbers = [str(number) for number, told in warnings.items() if warning in told]
        if len(numbers) == len(warnings):
            yield warning
        else:
            yield f"shard{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}: {warning}"
