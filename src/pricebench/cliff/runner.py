"""A whole run: which cells in which order, within a budget of time, written down after each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from pricebench.cliff.arms import ARMS, Arm
from pricebench.cliff.launcher import Launcher, Setting, measure_toolchain, temporary_folder
from pricebench.cliff.records import Block, Call, Cell, Report
from pricebench.cliff.schedule import Check, CliffError, Kind, Order, Step, schedule
from pricebench.load import LoadMeter
from pricebench.machine import this_machine
from pricebench.modes import compile  # noqa: A004 - the mode's name is its key
from pricebench.units import Second
from pricebench.workload import Workload, load_workload
from pricebench.workload.checks import quieted
from pricebench.zygote.client import ChildError
from pricebench.zygote.process import CAN_FORK

NUM_PROCESSES = 5
NUM_BLOCKS = 30
_REPEATED_BLOCKS = 6  # in the repetitions: enough to see whether their B against A is that of the first
_CONTROL = "compile"  # what everybody has: it is reversed too, and repeated before the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A cell to be run."""

    arm: Arm
    kind: Kind
    order: Order = Order.FORWARD
    cache: str = "cold"
    process: int = 0
    num_blocks: int = NUM_BLOCKS

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from the others of a plan."""
        return self.key_of(self.cell())

    @staticmethod
    def key_of(cell: Cell) -> tuple[str, ...]:
        """The same of a record."""
        return (cell.arm, cell.kind, cell.order, cell.cache, str(cell.process))

    def cell(self, **measured: Any) -> Cell:
        """The record of it."""
        return Cell(
            arm=self.arm.name,
            kind=self.kind,
            order=self.order,
            cache=self.cache,
            process=self.process,
            **measured,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to measure.

    Attributes:
        setting: What all cells share.
        arms: In the table's order.
        kinds: Inference, training or both.
        num_processes: Of each arm that compiles; a stall is one event per process.
        budget: Seconds after which nothing is begun that would end later; None for no limit.
    """

    setting: Setting
    arms: Sequence[Arm] = ARMS
    kinds: Sequence[Kind] = tuple(Kind)
    num_processes: int = NUM_PROCESSES
    budget: Second | None = None

    def cells(self) -> list[Planned]:
        """In the order in which they run."""
        able = [(arm, kind) for kind in self.kinds for arm in self.arms if kind in arm.kinds]
        if self.setting.counts_only:
            return [Planned(arm=arm, kind=kind, num_blocks=0) for arm, kind in able]
        compiling = [(arm, kind) for arm, kind in able if arm.compiles]
        planned = []
        for arm, kind in able:
            planned.append(Planned(arm=arm, kind=kind))
            if arm.compiles:
                planned.append(Planned(arm=arm, kind=kind, cache="warm", num_blocks=0))
        controls = [(arm, kind) for arm, kind in compiling if arm.name == _CONTROL]
        others = [pair for pair in compiling if pair not in controls and not pair[0].inductor]
        # Autotuning takes ten seconds a graph: what has options of Inductor's own comes last.
        slow = [pair for pair in compiling if pair not in controls and pair[0].inductor]
        planned += [Planned(arm=arm, kind=kind, order=Order.REVERSE) for arm, kind in controls]
        planned += [
            Planned(arm=arm, kind=kind, order=Order.ALIGNED) for arm, kind in able if arm.name in (_CONTROL, "eager")
        ]
        for pairs in (controls, others, slow):
            for process in range(1, self.num_processes):
                planned += [
                    Planned(arm=arm, kind=kind, process=process, num_blocks=_REPEATED_BLOCKS) for arm, kind in pairs
                ]
        return planned


Progress = Callable[[Planned, float], None]
"""Called before each cell with it and the share of the run that is done, 0 to 1."""


def measure(
    plan: Plan, *, on_change: Callable[[Report], None], progress: Progress, begun: Report | None = None
) -> Report:
    """Run the cells; what has been measured is handed to `on_change` after each, and survives Ctrl-C.

    Args:
        plan: What is measured.
        on_change: Called with the report after each cell, and at the end.
        progress: Called before each cell.
        begun: A report whose cells are kept; only those of the plan that it lacks are run.

    Raises:
        CliffError: The workload's shapes leave nothing to measure, or `begun` was measured under other conditions.
        WorkloadError: The workload cannot be made.
    """
    started, meter = time.monotonic(), LoadMeter()
    workload = load_workload(plan.setting.workload, residual_rows=plan.setting.residual_rows)
    setting = replace(plan.setting, dims=workload.dims)
    shapes = rows_of(workload)
    steps = {order: schedule(shapes, order) for order in Order}
    plan, notes, checks = _fitted(plan, workload)
    report = _begin(plan, workload, shapes, notes)
    earlier: tuple[str, ...] = ()
    if begun:
        report, earlier = _continued(begun, report), begun.warnings
    no_compiler = None if setting.counts_only else compile.MODE.missing()
    known = {Planned.key_of(cell) for cell in report.cells}
    cells = [planned for planned in plan.cells() if planned.key not in known]
    with temporary_folder() as folder:
        modules: list[str] = []
        template: Path | None = None
        if no_compiler is None and not setting.counts_only and any(cell.arm.compiles for cell in cells):
            try:
                toolchain, modules, template = measure_toolchain(folder)
                report = replace(report, toolchain=report.toolchain or toolchain)
            except ChildError as error:
                no_compiler = str(error)
        caches = _Caches(folder, template)
        try:
            with Launcher(setting, folder, modules) as launcher:
                pace = _Pace(cells)
                for planned in cells:
                    spent = time.monotonic() - started
                    if plan.budget and spent + pace.expected(planned) > plan.budget:
                        break
                    total = spent + pace.remaining()
                    progress(planned, spent / (min(total, plan.budget) if plan.budget else total))
                    if no_compiler and planned.arm.compiles:
                        cell = planned.cell(failure=f"not available: {no_compiler}")
                    else:
                        cell = _run(launcher, planned, steps[planned.order], caches.of(planned), checks[planned.kind])
                    warnings = dict.fromkeys((*earlier, *meter.warnings(own=launcher.zygote.cpu_seconds)))
                    report = replace(report.with_cell(cell), warnings=tuple(warnings))
                    on_change(report)
                    pace.took(planned, time.monotonic() - started - spent)
                else:
                    report = replace(report, is_complete=True)
        except KeyboardInterrupt:
            report = replace(report, warnings=(*report.warnings, "interrupted: later cells are missing"))
            on_change(report)
            raise
    seconds = [*report.conditions["seconds"], time.monotonic() - started]
    report = replace(report, conditions={**report.conditions, "seconds": seconds})
    on_change(report)
    return report


def _continued(begun: Report, fresh: Report) -> Report:
    """The report that was begun, if what `fresh` would measure is the same."""
    if begun.fingerprint != fresh.fingerprint:
        raise CliffError(
            f"The report is of fingerprint {begun.fingerprint}, this machine is {fresh.fingerprint}: begin a new one."
        )
    for name in ("workload", "shapes", "threads", "device", "counts_only", "torch_git"):
        if begun.conditions[name] != fresh.conditions[name]:
            raise CliffError(
                f"The report was measured with {name} {begun.conditions[name]}, now {fresh.conditions[name]} is asked "
                "for: begin a new one, or give the same options."
            )
    arms = {**begun.conditions["arms"], **fresh.conditions["arms"]}
    return replace(begun, conditions={**begun.conditions, "arms": arms}, is_complete=False)


def rows_of(workload: Workload) -> dict[str, int]:
    """The batch of each shape.

    Raises:
        CliffError: No size varies, or no shape is a residual batch.
    """
    if not workload.batch:
        raise CliffError(f"{workload.name}: no dimension varies, so no batch is residual. Give dims.")
    shapes = {shape: workload.rows(shape) for shape in workload.shapes}
    if "residual" not in shapes:
        raise CliffError(
            f"{workload.name}: no shape is called 'residual', found {', '.join(shapes)}. Name one, or give "
            "--residual-rows."
        )
    return shapes


def _fitted(plan: Plan, workload: Workload) -> tuple[Plan, tuple[str, ...], dict[Kind, Check]]:
    """The plan without what the workload cannot do; what must be said of it; how the answers of a kind are checked."""
    notes, checks = list(workload.notes), dict.fromkeys(Kind, Check.YES)
    if not workload.has_loss and Kind.TRAINING in plan.kinds:
        kinds = tuple(kind for kind in plan.kinds if kind is not Kind.TRAINING)
        words = f"{workload.name} has no loss, so training is left out"
        if not kinds:
            raise CliffError(f"{words}, and nothing else was asked for. Give loss and targets.")
        plan, notes = replace(plan, kinds=kinds), [*notes, words]
    elif Kind.TRAINING in plan.kinds:
        remark = quieted(workload)[1]
        if remark:
            # Two ways to draw random numbers cannot be compared by their results.
            checks[Kind.TRAINING] = Check.NO
            notes.append(remark)
    return plan, tuple(notes), checks


class _Pace:
    """What is still to come, by what cells of the same arm took."""

    _GUESS: Second = 6.0

    def __init__(self, cells: Sequence[Planned]) -> None:
        self._waiting = list(cells)
        self._seen: dict[tuple[str, Kind, str], Second] = {}

    def took(self, planned: Planned, seconds: Second) -> None:
        self._waiting.remove(planned)
        self._seen[planned.arm.name, planned.kind, planned.cache] = seconds

    def expected(self, planned: Planned) -> Second:
        known = self._seen.get((planned.arm.name, planned.kind, planned.cache))
        if known is None:
            known = sum(self._seen.values()) / len(self._seen) if self._seen else self._GUESS
        return known

    def remaining(self) -> Second:
        return sum(map(self.expected, self._waiting))


class _Caches:
    """A cache folder per process: the toolchain's alone for a cold one, its cold sibling's for a warm one."""

    def __init__(self, folder: Path, template: Path | None) -> None:
        self._folder = folder
        self._template = template

    def of(self, planned: Planned) -> Path:
        cache = self._folder / f"{planned.arm.name}_{planned.kind}"
        if planned.cache == "cold":
            shutil.rmtree(cache, ignore_errors=True)
            if self._template:
                shutil.copytree(self._template, cache)
        return cache


def _run(launcher: Launcher, planned: Planned, steps: Sequence[Step], cache: Path, check: Check) -> Cell:
    """Take an arm through the schedule; what was measured before a crash is kept.

    Where its answers cannot be checked while they are timed, the first process of an arm is followed by a quiet one.
    """
    calls: list[Call] = []
    blocks: list[Block] = []
    prepare, num_graphs, failure = None, None, ""
    try:
        with launcher.cell(planned.arm.name, planned.kind, cache, check) as process:
            prepare = process.prepare_seconds
            for step in steps:
                call = process.call(step)
                calls.append(call)
                if step.steady and planned.num_blocks and not call.failure:
                    block = process.block(step, planned.num_blocks)
                    if block:
                        blocks.append(block)
            num_graphs = process.num_graphs()
        if check is Check.NO and planned.process == 0 and planned.cache == "cold":
            calls = _checked(launcher, planned, steps, cache, calls)
    except ChildError as error:
        failure = str(error)
    return planned.cell(
        prepare=prepare, num_graphs=num_graphs, calls=tuple(calls), blocks=tuple(blocks), failure=failure
    )


def _checked(
    launcher: Launcher, planned: Planned, steps: Sequence[Step], cache: Path, calls: Sequence[Call]
) -> list[Call]:
    """The calls with the errors that the same ones have in a process whose module is not random."""
    found = []
    with launcher.cell(planned.arm.name, planned.kind, cache, Check.QUIET) as process:
        for step, call in zip(steps, calls, strict=True):
            quiet = process.call(step)
            found.append(replace(call, max_abs_error=quiet.max_abs_error, failure=call.failure or quiet.failure))
    return found


def _begin(plan: Plan, workload: Workload, shapes: Mapping[str, int], notes: Sequence[str]) -> Report:
    setting = plan.setting
    threads_before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    machine = this_machine(setting.device)
    torch.set_num_threads(threads_before)
    return Report(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=machine.digest,
        machine=asdict(machine),
        conditions={
            "workload": workload.name,
            "shapes": dict(shapes),
            "sizes": {shape: dict(sizes) for shape, sizes in workload.shapes.items()},
            "notes": list(notes),
            "threads": setting.threads,
            "device": setting.device,
            "counts_only": setting.counts_only,
            "processes": plan.num_processes,
            "blocks": NUM_BLOCKS,
            "budget": plan.budget,
            "torch_git": str(torch.version.git_version),
            "forked": CAN_FORK,
            "seconds": [],
            "arms": {arm.name: arm.summary for arm in plan.arms},
            "eager_by_design": [arm.name for arm in plan.arms if arm.stance],
        },
    )
