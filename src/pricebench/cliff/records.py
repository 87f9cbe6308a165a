"""What was measured: a report of cells, each with its calls and steady blocks. JSON in and out; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pricebench.cliff.schedule import CliffError, Kind, Order
from pricebench.fields import (
    as_object,
    built_in,
    count_in,
    each_in,
    object_in,
    optional_seconds,
    seconds_in,
    text_in,
    texts_in,
    times_in,
    wrong,
)
from pricebench.reports import ReportKind
from pricebench.units import Second

KIND = ReportKind(noun="a cliff report", schema=1, command="pricebench cliff", lines=("arm",), error=CliffError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """One compilation by torch's own metrics; the four times do not overlap, in seconds.

    Attributes:
        graph: TorchDynamo's id, frame/graph.
        reason: Why a graph that existed could not be used; empty for the first.
        failure: Why it came to nothing; empty if it did not fail.
        is_backward: A backward graph that was compiled at the first backward pass.
        dynamo: Capture and guards.
        aot: AOTAutograd, without Inductor.
        inductor: Inductor, without waiting for C++.
        cpp: Waiting for the C++ compiler.
    """

    graph: str
    reason: str
    failure: str
    is_backward: bool
    dynamo: Second
    aot: Second
    inductor: Second
    cpp: Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The first call of a step.

    Attributes:
        step: Its name in the schedule.
        rows: Of the batch.
        rows_run: What the arm ran, 0 where it dropped the batch.
        seconds: By the clock; None where the call failed or was dropped.
        served: The graph that ran: g0, g1, ... or "eager"; None in an arm that compiles nothing.
        captured: Graphs that TorchDynamo captured for it, by torch's counter.
        compilations: By torch's metrics.
        max_abs_error: Of output, or loss and gradients, against eager in float64, relative to the largest value.
        failure: Why there is no result.
    """

    step: str
    rows: int
    rows_run: int
    seconds: Second | None = None
    served: str | None = None
    captured: int = 0
    compilations: tuple[Compilation, ...] = ()
    max_abs_error: float | None = None
    failure: str = ""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Take a record of `asdict`."""
        return cls(**{**record, "compilations": tuple(Compilation(**c) for c in record["compilations"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Steady calls of a step, interleaved with eager; one number per block, seconds per call.

    Attributes:
        step: Its name in the schedule.
        rows: Of the batch.
        arm: The arm.
        eager: Eager on the same batch, in the same moment.
        again: Eager once more: the A/A pair of `eager`.
    """

    step: str
    rows: int
    arm: tuple[Second, ...]
    eager: tuple[Second, ...]
    again: tuple[Second, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Take a record of `asdict`."""
        times = {name: tuple(record[name]) for name in ("arm", "eager", "again")}
        return cls(step=record["step"], rows=record["rows"], **times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fresh process.

    Attributes:
        arm: Name of the arm.
        kind: Inference or training.
        order: Of the schedule.
        cache: "cold": only the toolchain was ready; "warm": after another process of the same arm.
        process: Number of the repetition, from 0.
        prepare: Seconds to make the callable, before any call; None where it came to nothing.
        num_graphs: Graphs handed to the compiler; None in an arm that compiles nothing.
        calls: In order.
        blocks: In order.
        failure: Why the cell ended early, or did not start; empty if it is whole.
    """

    arm: str
    kind: Kind
    order: Order = Order.FORWARD
    cache: str = "cold"
    process: int = 0
    prepare: Second | None = None
    num_graphs: int | None = None
    calls: tuple[Call, ...] = ()
    blocks: tuple[Block, ...] = ()
    failure: str = ""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Take a record of `asdict`."""
        return cls(
            **{
                **record,
                "kind": Kind(record["kind"]),
                "order": Order(record["order"]),
                "calls": tuple(map(Call.from_json, record["calls"])),
                "blocks": tuple(map(Block.from_json, record["blocks"])),
            }
        )

    def call(self, step: str) -> Call | None:
        """The first call of a step, if it was made."""
        return next((call for call in self.calls if call.step == step), None)

    def block(self, step: str) -> Block | None:
        """The steady block of a step, if it was measured."""
        return next((block for block in self.blocks if block.step == step), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """What compiling costs once per machine or process, whatever the model; seconds.

    Attributes:
        imports: `import torch`.
        compiler_imports: TorchDynamo and TorchInductor.
        first: The first compilation ever of a one-line function: precompiled headers, probing the instruction set.
        later: The same in another process that finds the headers and the probe, but not the function.
    """

    imports: Second
    compiler_imports: Second
    first: Second
    later: Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one run measured.

    Attributes:
        started: ISO 8601, UTC.
        fingerprint: Digest of `machine`.
        machine: The fingerprint's fields.
        conditions: What else must be known to read the numbers.
        toolchain: None where nothing was compiled.
        cells: In the order in which they ran.
        warnings: What disturbed the run.
        is_complete: False for a run that was interrupted or ran out of its budget before every planned cell.
    """

    started: str
    fingerprint: str
    machine: Mapping[str, object]
    conditions: Mapping[str, Any]
    toolchain: Toolchain | None = None
    cells: tuple[Cell, ...] = ()
    warnings: tuple[str, ...] = ()
    is_complete: bool = False
    schema: int = field(default=KIND.schema)

    def with_cell(self, cell: Cell) -> Report:
        """The same report with one more cell."""
        return replace(self, cells=(*self.cells, cell))

    def save(self, path: Path) -> None:
        """Write it; a reader sees the report before or after, never half of it."""
        KIND.save(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a report.

        Raises:
            CliffError: It cannot be read, is no cliff report, or is of another schema.
        """
        return KIND.load(path, cls._from_json)

    @classmethod
    def _from_json(cls, record: Mapping[str, Any]) -> Self:
        _check(record)
        toolchain = record["toolchain"]
        return cls(
            **{
                **record,
                "toolchain": toolchain and Toolchain(**toolchain),
                "cells": tuple(map(Cell.from_json, record["cells"])),
                "warnings": tuple(record["warnings"]),
            }
        )


def _check(record: Mapping[str, Any]) -> None:
    """WrongFieldError where something that statements are made of is not what everybody takes it for."""
    text_in(record, "started")
    object_in(record, "machine")
    built_in(record, "conditions", lambda found: built_in(found, "shapes", _check_shapes))
    texts_in(record, "warnings")
    if record["toolchain"] is not None:
        built_in(record, "toolchain", lambda found: [seconds_in(found, name) for name in found])
    each_in(record, "cells", _check_cell)


def _check_shapes(shapes: dict[str, Any]) -> None:
    for name in ("full", "residual"):
        count_in(shapes, name)


def _check_cell(cell: Any) -> None:
    text_in(as_object(cell), "arm")
    each_in(cell, "calls", _check_call)
    each_in(cell, "blocks", _check_block)


def _check_call(call: Any) -> None:
    text_in(as_object(call), "step")
    for name in ("rows", "rows_run"):
        count_in(call, name)
    optional_seconds(call, "seconds")


def _check_block(block: Any) -> None:
    text_in(as_object(block), "step")
    count_in(block, "rows")
    lengths = {name: len(times_in(block, name)) for name in ("arm", "eager", "again")}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise wrong("arm", "as many times as eager and again have, and at least one", lengths["arm"])
