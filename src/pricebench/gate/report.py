"""What a gate run found: a finding per benchmark, the control, the raw blocks, an exit code, a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pricebench.errors import ExitCode
from pricebench.gate.control import Control, with_numbers
from pricebench.gate.judge import Verdict
from pricebench.gate.records import GateError
from pricebench.gate.shard import Shard
from pricebench.paired.records import Block
from pricebench.paired.statistics import LOOKS
from pricebench.reports import ReportKind, finite
from pricebench.units import Second, counted

KIND = ReportKind(
    noun="a gate report", schema=1, command="pricebench gate", lines=("number", "benchmark"), error=GateError
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One benchmark; shares, so that 0.05 is 5 %.

    Attributes:
        benchmark: Its id, in head's suite where it is there.
        verdict: What is said of it.
        threshold: The slowdown to find in it.
        base: Median seconds per call, or None.
        head: The same of head.
        change: Estimated, or None where nothing was measured.
        low: Of the interval of the change, or None.
        high: Its other end.
        num_blocks: That were used.
        num_slower: Of those, in which head took longer.
        detectable: The slowdown that this run would have called slower nine times of ten, or None.
        null: The change between two copies of base, which is noise, or None.
        is_single: Its rounds=1 makes it one event a process.
        accepted: Why a reviewed line lets its slowdown or its absence pass, or empty.
        note: What must be said beside it, or empty.
    """

    benchmark: str
    verdict: Verdict
    threshold: float
    base: Second | None = None
    head: Second | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    num_blocks: int = 0
    num_slower: int = 0
    detectable: float | None = None
    null: float | None = None
    is_single: bool = False
    accepted: str = ""
    note: str = ""

    @property
    def is_final(self) -> bool:
        """No further block would help: there is a verdict, or a note that says why there is none."""
        return self.verdict is not Verdict.UNDECIDED or bool(self.note)

    @property
    def is_regression(self) -> bool:
        """It is slower, and nobody accepted that."""
        return self.verdict is Verdict.SLOWER and not self.accepted

    @property
    def is_broken(self) -> bool:
        """It does not work any more, or is not there, and nobody accepted that."""
        return self.verdict in (Verdict.WRONG, Verdict.GONE) and not self.accepted

    @property
    def blocks_merge(self) -> bool:
        """Head must not be merged because of it."""
        return self.is_regression or self.is_broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A gate run.

    Attributes:
        started: ISO 8601, UTC.
        base: Full hash of base's commit.
        head: Of head's.
        is_dirty: Head holds changes that its commit does not.
        machine: What the workers said of machine and libraries.
        fingerprint: Its digest.
        conditions: What else must be known to read the numbers.
        findings: In the suite's order.
        control: The planted slowdown; None where nothing was measured.
        structure: Sentences about facts that differ from the committed ones.
        unchecked: Why committed facts could not be held against what is here.
        was_structure_checked: False where a project keeps no such facts.
        warnings: What disturbed the run, and reviewed lines that count no more.
        blocks: Raw.
        seconds: That the run took.
        shard: Which part of a run this is; None where it is all of it.
        shards: The parts that were merged into it.
    """

    started: str
    base: str
    head: str
    is_dirty: bool
    machine: Mapping[str, object]
    fingerprint: str
    conditions: Mapping[str, Any]
    findings: tuple[Finding, ...]
    control: Control | None
    structure: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    was_structure_checked: bool = False
    warnings: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    seconds: Second = 0.0
    shard: Shard | None = None
    shards: tuple[Shard, ...] = ()
    schema: int = field(default=KIND.schema)

    def with_verdict(self, *verdicts: Verdict) -> list[Finding]:
        """The findings of these verdicts."""
        return [finding for finding in self.findings if finding.verdict in verdicts]

    @property
    def regressions(self) -> list[Finding]:
        """What blocks the merge by its time."""
        return [finding for finding in self.findings if finding.is_regression]

    @property
    def is_blind(self) -> bool:
        """A planted slowdown was not seen, so nothing that this run did not see means anything."""
        return not self.is_idle and (self.control is None or not self.control.is_seen)

    @property
    def is_idle(self) -> bool:
        """A shard with nothing to measure. Whether the run passes, a merge says."""
        return self.shard is not None and self.control is None

    @property
    def exit_code(self) -> ExitCode:
        """See the function."""
        if self.is_idle and not (self.unchecked or self.structure or any(each.blocks_merge for each in self.findings)):
            return ExitCode.FINE
        return exit_code(self.findings, self.control, self.structure, self.unchecked)

    @property
    def sentence(self) -> str:
        """The result in words."""
        found = [
            _named(self.regressions, "slower"),
            _named(self.with_verdict(Verdict.WRONG), "with a wrong answer"),
        ]
        found += [_named([finding for finding in self.with_verdict(Verdict.GONE) if finding.is_broken], "gone")]
        if self.structure:
            found.append(f"structure changed in {counted(len(self.structure), 'place')}")
        told = "; ".join(filter(None, found))
        if told:
            return f"Do not merge: {told}."
        if self.is_blind:
            return self._blindness()
        if self.is_idle and not self.unchecked:
            return "Nothing to measure in this shard: it says nothing of the others. Merge them."
        if self.unchecked:
            return f"The gate is blind: the structure could not be checked; {self.unchecked[0]}."
        undecided = self.with_verdict(Verdict.UNDECIDED)
        measured = [finding for finding in self.findings if finding.num_blocks]
        if undecided:
            return (
                f"Inconclusive: {_named(undecided, 'undecided')}; "
                f"{len(measured) - len(undecided)} of {len(measured)} are known to be fine. "
                "Run again with a larger --budget."
            )
        bound = max(
            (finding.high for finding in measured if finding.high is not None and not finding.accepted), default=0
        )
        accepted = [finding for finding in measured if finding.accepted]
        extra = f", {len(accepted)} slower as accepted" if accepted else ""
        return (
            f"This may be merged: {counted(len(measured), 'benchmark')} compared{extra}, none can be more than "
            f"{max(bound, 0):.1%} slower (95 % confidence each)."
        )

    def _blindness(self) -> str:
        if self.control is None:
            return "The gate is blind: nothing could be measured, so nothing is known. Look at the warnings."
        num_blocks = min((shard.num_blocks for shard in self.shards if shard.control), default=len(self.blocks))
        if 0 < num_blocks < LOOKS[0]:
            return (
                f"The gate is blind: {counted(num_blocks, 'block')} fitted into the budget, "
                f"and the first verdict needs {LOOKS[0]}. Run again with a larger --budget."
            )
        seen = "nothing" if self.control.change is None else f"{self.control.change:+.1%}"
        return (
            f"The gate is blind: of {self.control.planted:.0%} planted in {short(self.control.benchmark)} "
            f"it saw {seen}. Nothing that it did not find means anything. "
            "Run again on a quieter machine, or with a larger --budget."
        )

    def to_json(self) -> dict[str, Any]:
        """All of it, with what follows from it."""
        record = asdict(self)
        record["blocks"] = [block.to_json() for block in self.blocks]
        record["exit_code"] = int(self.exit_code)
        record["sentence"] = self.sentence
        found: dict[str, Any] = finite(record)
        return found

    def save(self, path: Path) -> None:
        """Write it, a line per block and finding."""
        KIND.save(self.to_json(), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a report.

        Raises:
            GateError: It cannot be read, or is of another schema.
        """
        return KIND.load(path, cls._from_json)

    @classmethod
    def _from_json(cls, record: Mapping[str, Any]) -> Self:
        record = {name: value for name, value in record.items() if name not in ("exit_code", "sentence")}
        _check_kinds(record)
        control = record["control"]
        return cls(
            **{
                **record,
                "findings": tuple(
                    Finding(**{**with_numbers(finding), "verdict": Verdict(finding["verdict"])})
                    for finding in record["findings"]
                ),
                "control": control and Control.from_json(control),
                "structure": tuple(map(str, record["structure"])),
                "unchecked": tuple(map(str, record.get("unchecked", ()))),
                "warnings": tuple(map(str, record["warnings"])),
                "blocks": tuple(map(Block.from_json, record["blocks"])),
                # Reports of before there were shards have none.
                "shard": Shard.from_json(shard) if (shard := record.get("shard")) else None,
                "shards": tuple(map(Shard.from_json, record.get("shards", ()))),
            }
        )


def exit_code(
    findings: Sequence[Finding],
    control: Control | None,
    structure: Sequence[str] = (),
    unchecked: Sequence[str] = (),
) -> ExitCode:
    """What was found for certain comes first; then whether anything could have been seen; then what is left open."""
    verdicts = {finding.verdict for finding in findings}
    if any(finding.is_regression for finding in findings):
        return ExitCode.REGRESSION
    if structure or any(finding.is_broken for finding in findings):
        return ExitCode.BROKEN
    if unchecked or control is None or not control.is_seen:
        return ExitCode.BAD_INPUT
    return ExitCode.INCONCLUSIVE if Verdict.UNDECIDED in verdicts else ExitCode.FINE


def short(benchmark: str) -> str:
    """An id without its file."""
    return benchmark.partition("::")[2] or benchmark


def _named(findings: Sequence[Finding], what: str) -> str:
    names = [short(finding.benchmark) for finding in findings]
    if not names:
        return ""
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{len(names)} {what} ({listed})"


def _check_kinds(record: Mapping[str, Any]) -> None:
    """TypeError where a field of a report is not what everybody takes it for."""
    kinds: dict[str, Any] = {
        **dict.fromkeys(("started", "base", "head", "fingerprint"), str),
        **dict.fromkeys(("machine", "conditions"), dict),
        **dict.fromkeys(("findings", "structure", "warnings", "blocks"), list),
        "control": dict | None,
    }
    for name, kind in kinds.items():
        if not isinstance(record[name], kind):
            raise TypeError(f"{name} is {record[name]!r}, expected {getattr(kind, '__name__', kind)}")
