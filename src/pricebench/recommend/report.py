"""A recommendation as it is stored: need, answer, a candidate per mode, and all raw evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pricebench.errors import ExitCode
from pricebench.paired.records import Block
from pricebench.recommend.decision import Ratio, Turn
from pricebench.recommend.evidence import Evidence, Tried
from pricebench.recommend.need import Need, RecommendError
from pricebench.reports import ReportKind, finite
from pricebench.units import Byte, Second

KIND = ReportKind(
    noun="a recommendation",
    schema=1,
    command="pricebench recommend",
    lines=("number", "mode"),
    error=RecommendError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerCall:
    """A mode on one shape.

    Attributes:
        seconds: Median over processes of a call or a training step.
        relative: To eager, from paired blocks.
    """

    seconds: Second
    relative: Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One mode, with everything that is asked about it.

    Attributes:
        mode: Its name.
        status: `measured`, `excluded`, `failed` or `wrong answer`.
        why_not: Why it was not chosen; empty for the chosen one.
        cost_per_day: Seconds of waiting, or None.
        relative: Cost over that of eager, or None.
        inference: By shape.
        training: By shape; empty where the workload has no loss.
        first_answer_cold: Of a fresh process that finds no compiled code.
        first_answer_warm: That finds what an earlier one left; None where a mode leaves nothing.
        stall: The longest at a size that the traffic does not have, or None.
        compilations: Over the stated day of sizes.
        pays_from: Calls of a process from which on it is cheaper than eager; None where it never is.
        resident: Bytes in memory after the day.
        artifact: Bytes of what is shipped.
        cache: Bytes of compiled code that it leaves.
        error: Largest of an output against float64, relative to its largest value.
        eager_error: The same of eager.
        training_failure: Why it cannot train, or empty.
        graph_breaks: Reason, file and line of each.
        needs: What must be there besides torch.
        deprecation: PyTorch's own notice, or None.
    """

    mode: str
    status: str
    why_not: str
    cost_per_day: Second | None = None
    relative: Ratio | None = None
    inference: Mapping[str, PerCall] = field(default_factory=dict)
    training: Mapping[str, PerCall] = field(default_factory=dict)
    first_answer_cold: Second | None = None
    first_answer_warm: Second | None = None
    stall: Second | None = None
    compilations: int | None = None
    pays_from: float | None = None
    resident: Byte | None = None
    artifact: Byte | None = None
    cache: Byte | None = None
    error: float | None = None
    eager_error: float | None = None
    training_failure: str = ""
    graph_breaks: tuple[Mapping[str, Any], ...] = ()
    needs: str = ""
    deprecation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What to ship, and why.

    Attributes:
        started: ISO 8601, UTC.
        workload: Its name.
        source: `module:function` or `file.py:function`, as it was asked for.
        shapes: Sizes by name.
        fingerprint: Of machine and libraries.
        machine: The facts behind it.
        conditions: What else must be known to read the numbers.
        need: What was asked for.
        sentence: The answer.
        recommended: The mode, or None where none can be.
        equal: Others whose cost cannot be told from its.
        is_decided: No other can be more than 3 % cheaper.
        turn: The nearest condition that changes the answer, or None.
        null: Eager against itself; None where nothing was measured.
        candidates: In the registry's order.
        notes: About the workload, such as what was found by trying.
        warnings: What disturbed the measurement.
        evidence: Raw.
    """

    started: str
    workload: str
    source: str
    shapes: Mapping[str, Mapping[str, int]]
    fingerprint: str
    machine: Mapping[str, Any]
    conditions: Mapping[str, Any]
    need: Need
    sentence: str
    recommended: str | None
    equal: tuple[str, ...]
    is_decided: bool
    turn: Turn | None
    null: Ratio | None
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    evidence: Evidence
    schema: int = field(default=KIND.schema)

    @property
    def exit_code(self) -> ExitCode:
        """0 for an answer, 3 where the budget did not suffice to rank all, 4 where no mode runs the workload."""
        if self.recommended is None:
            return ExitCode.BROKEN
        return ExitCode.FINE if self.is_decided else ExitCode.INCONCLUSIVE

    def candidate(self, mode: str) -> Candidate:
        """The one of this name."""
        return next(each for each in self.candidates if each.mode == mode)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        record = asdict(self)
        record["evidence"]["blocks"] = [block.to_json() for block in self.evidence.blocks]
        record["exit_code"] = int(self.exit_code)
        found: dict[str, Any] = finite(record)
        return found

    def save(self, path: Path) -> None:
        """Write it, a line per block and candidate."""
        KIND.save(self.to_json(), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a report.

        Raises:
            RecommendError: It cannot be read, or is of another schema.
        """
        return KIND.load(path, cls._from_json)

    @classmethod
    def _from_json(cls, record: Mapping[str, Any]) -> Self:
        record = {name: value for name, value in record.items() if name != "exit_code"}
        for name in ("started", "workload", "source", "fingerprint", "sentence"):
            if not isinstance(record[name], str):
                raise TypeError(f"{name} is {record[name]!r}, expected a text")
        evidence = record["evidence"]
        return cls(
            **{
                **record,
                "need": Need.from_json(record["need"]),
                "turn": record["turn"] and Turn(**record["turn"]),
                "null": _ratio(record["null"]),
                "equal": tuple(map(str, record["equal"])),
                "candidates": tuple(map(_candidate, record["candidates"])),
                "notes": tuple(map(str, record["notes"])),
                "warnings": tuple(map(str, record["warnings"])),
                "evidence": Evidence(
                    tried=tuple(map(Tried.from_json, evidence["tried"])),
                    blocks=tuple(map(Block.from_json, evidence["blocks"])),
                    starts={mode: tuple(map(float, found)) for mode, found in evidence["starts"].items()},
                ),
            }
        )


def _candidate(record: Mapping[str, Any]) -> Candidate:
    cases = {
        kind: {
            shape: PerCall(seconds=float(each["seconds"]), relative=_known(_ratio(each["relative"])))
            for shape, each in record[kind].items()
        }
        for kind in ("inference", "training")
    }
    relative = _ratio(record["relative"])
    return Candidate(**{**record, **cases, "relative": relative, "graph_breaks": tuple(record["graph_breaks"])})


def _known(ratio: Ratio | None) -> Ratio:
    if ratio is None:
        raise ValueError("a time without its ratio")
    return ratio


def _ratio(record: Mapping[str, Any] | None) -> Ratio | None:
    """JSON knows no infinity: an interval that is not known yet has no ends there."""
    if record is None:
        return None
    low, high = record["low"], record["high"]
    return Ratio(
        ratio=math.nan if record["ratio"] is None else float(record["ratio"]),
        low=0.0 if low is None else float(low),
        high=math.inf if high is None else float(high),
    )
