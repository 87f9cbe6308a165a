"""From cells to statements: stalls, graphs, ratios with their intervals and the noise floor, epochs, break-even.

Ratios are of times taken in the same moment, arm and eager interleaved. What is called a difference is one whose
interval leaves 1 out and that is larger than what eager against itself shows in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from pricebench.cliff.records import Block, Call, Cell, Report
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, LATER, OTHER, Kind, Order
from pricebench.units import Second

CONFIDENCE = 0.95
_RESAMPLES = 2000
_SEED = 0
EAGER = "eager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Single events of separate processes; seconds."""

    least: Second
    middle: Second
    most: Second
    num: int

    @classmethod
    def of(cls, seconds: Sequence[Second]) -> Spread | None:
        """None without any."""
        return cls(least=min(seconds), middle=median(seconds), most=max(seconds), num=len(seconds)) if seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio of times with its interval.

    Attributes:
        value: Above 1: slower.
        low: Of the 95 % bootstrap interval.
        high: Of the same.
        floor: What eager against itself reaches in this run: 1.02 is two percent.
    """

    value: float
    low: float
    high: float
    floor: float

    @property
    def is_found(self) -> bool:
        """Whether this is a difference, and not noise."""
        return not self.low <= 1.0 <= self.high and abs(math.log(self.value)) > math.log(self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """What a step cost when something was compiled for it.

    Attributes:
        step: Its name in the schedule.
        rows: Of its batch.
        cold: Of processes with an empty cache.
        warm: Of processes after another of the same arm.
        parts: Of the cold median process: seconds by stage, `other` being what torch's metrics do not name.
        reason: PyTorch's own; empty for the first graph.
    """

    step: str
    rows: int
    cold: Spread
    warm: Spread | None
    parts: Mapping[str, Second]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """What epochs of full batches and one residual cost; seconds.

    Attributes:
        once_cold: One-time costs with an empty cache, spread over the first epoch.
        once_warm: The same with a warm cache, if that was measured.
        later: Each later epoch.
        eager: Each later epoch of eager over the same rows.
        gain: `later / eager`, with what is noise.
        breaks_even: Epochs until a cold start has paid for itself against eager; None for never.
    """

    once_cold: Second
    once_warm: Second | None
    later: Second
    eager: Second
    gain: Ratio
    breaks_even: int | None

    @property
    def first(self) -> Second:
        """The first epoch, cold."""
        return self.once_cold + self.later


class Analysis:
    """Statements about a report, for one kind of work."""

    def __init__(self, report: Report, kind: Kind) -> None:
        self.report = report
        self.kind = kind
        self._cells = [cell for cell in report.cells if cell.kind is kind]
        self.full = int(report.conditions["shapes"]["full"])
        self.residual = int(report.conditions["shapes"]["residual"])

    @cached_property
    def arms(self) -> list[str]:
        """Names, in the order in which they first ran."""
        return list(dict.fromkeys(cell.arm for cell in self._cells))

    def cells(self, arm: str, cache: str | None = None, order: Order = Order.FORWARD) -> list[Cell]:
        """Cells of an arm, by process."""
        return [
            cell
            for cell in self._cells
            if cell.arm == arm and cell.order is order and (cache is None or cell.cache == cache)
        ]

    def main(self, arm: str, order: Order = Order.FORWARD) -> Cell | None:
        """The cell with the longest steady blocks: the first cold one."""
        return next(iter(self.cells(arm, "cold", order)), None)

    def failure(self, arm: str) -> str:
        """Why the arm has no, or no whole, result; empty if it has."""
        failures = [cell.failure for cell in self.cells(arm) if cell.failure]
        failures += [
            f"at {call.rows} rows {call.failure}"
            for cell in self.cells(arm)
            for call in cell.calls
            if call.failure and call.failure != "dropped"
        ]
        return next(iter(failures), "")

    def num_graphs(self, arm: str) -> int | None:
        """Graphs compiled along the schedule; None where the arm compiles nothing."""
        cell = self.main(arm)
        return cell.num_graphs if cell else None

    def served(self, arm: str) -> list[Call]:
        """The calls along the schedule, each with the graph that served it."""
        cell = self.main(arm)
        return list(cell.calls) if cell else []

    def is_taken_over(self, arm: str) -> bool:
        """Whether full batches run another graph after the residual than before."""
        cell = self.main(arm)
        before, after = (cell.call(BEFORE), cell.call(AFTER)) if cell else (None, None)
        return bool(before and after and before.served and after.served and before.served != after.served)

    def silently_eager(self, arm: str) -> list[Call]:
        """Calls of a compiling arm that no graph served and no stance sent to eager: a limit was hit."""
        if arm in self.report.conditions["eager_by_design"]:
            return []
        return [call for cell in self.cells(arm) for call in cell.calls if call.served == "eager"]

    def stalls(self, arm: str) -> list[Stall]:
        """Steps for which something was compiled, in order."""
        cold, warm = self.cells(arm, "cold"), self.cells(arm, "warm")
        found = []
        for step in dict.fromkeys(call.step for cell in cold for call in cell.calls):
            calls = [call for cell in cold if (call := cell.call(step)) and call.compilations and call.seconds]
            if not calls:
                continue
            calls.sort(key=lambda call: call.seconds or 0.0)
            middle = calls[(len(calls) - 1) // 2]
            warm_seconds = [call.seconds for cell in warm if (call := cell.call(step)) and call.seconds]
            spread = Spread.of([call.seconds for call in calls if call.seconds])
            assert spread is not None
            found.append(
                Stall(
                    step=step,
                    rows=middle.rows,
                    cold=spread,
                    warm=Spread.of(warm_seconds),
                    parts=_parts(middle),
                    reason=next((c.reason for c in middle.compilations if c.reason), ""),
                )
            )
        return found

    def against_eager(self, arm: str, step: str, order: Order = Order.FORWARD) -> Ratio | None:
        """The arm's time against eager's at a step."""
        block = self._block(arm, step, order)
        return self._ratio([_log_ratios(block)], self._floors["level"]) if block else None

    def after_against_before(self, arm: str, order: Order = Order.FORWARD) -> Ratio | None:
        """Block B against block A, each against eager in its moment: what the other shape did to this one."""
        return self._change(arm, BEFORE, AFTER, order)

    def later_against_before(self, arm: str, order: Order = Order.FORWARD) -> Ratio | None:
        """Block C against block A."""
        return self._change(arm, BEFORE, LATER, order)

    def repeated_changes(self, arm: str) -> list[float]:
        """B against A in each process, from its few blocks: whether the first process speaks for others."""
        changes = []
        for cell in self.cells(arm, "cold"):
            before, after = cell.block(BEFORE), cell.block(AFTER)
            if before and after:
                changes.append(math.exp(float(np.median(_log_ratios(after)) - np.median(_log_ratios(before)))))
        return changes

    def eager_seconds(self, rows: int) -> Second | None:
        """Eager's median time per call for a batch, over all cells of the run."""
        times = [t for cell in self._cells for block in cell.blocks if block.rows == rows for t in block.eager]
        return median(times) if times else None

    def per_row(self, rows: int) -> float | None:
        """Eager's time per row with a batch of `rows`, against a full one: what is arithmetic and no cliff."""
        part, full = self.eager_seconds(rows), self.eager_seconds(self.full)
        return (part / rows) / (full / self.full) if part and full else None

    def aligned(self) -> int:
        """Rows of the aligned residual."""
        return 1 << (self.residual.bit_length() - 1)

    def epochs(self, arm: str, full_batches: int) -> Epochs | None:
        """Epochs of `full_batches` full batches and a residual; None where something for it was not measured."""
        cell = self.main(arm)
        eager_full, eager_residual = self.eager_seconds(self.full), self.eager_seconds(self.residual)
        other = cell.call(OTHER) if cell else None
        # Full batches as they are from then on: both blocks, because one alone may have met a good or a bad moment.
        full = [block for step in (AFTER, LATER) if (block := self._block(arm, step))]
        residual = self._block(arm, OTHER)
        if not cell or cell.failure or not eager_full or not eager_residual or not full or not other:
            return None
        if not residual and other.rows_run:
            return None
        samples = [np.concatenate([_log_ratios(block) for block in full])]
        weights = [full_batches * eager_full]
        if residual:
            samples.append(_log_ratios(residual))
            weights.append(eager_residual)
        eager = sum(weights)
        # Advice hangs on it: smaller than what changes by itself from block to block, it is no difference.
        ratio = self._ratio(samples, max(self._floors.values()), weights=[weight / eager for weight in weights])
        later = ratio.value * eager
        cold, warm = self._once(self.cells(arm, "cold")), self._once(self.cells(arm, "warm"))
        eager_once = self._once(self.cells(EAGER, "cold")) or 0.0
        if cold is None:
            return None
        breaks_even = None
        if arm != EAGER and ratio.is_found and later < eager:
            breaks_even = max(1, math.ceil((cold - eager_once) / (eager - later)))
        return Epochs(once_cold=cold, once_warm=warm, later=later, eager=eager, gain=ratio, breaks_even=breaks_even)

    def floor(self, what: str) -> float:
        """The run's noise floor as a ratio: "level" of one block, "change" of one against another."""
        return math.exp(self._floors[what])

    def _once(self, cells: Sequence[Cell]) -> Second | None:
        """Median over processes of what the first calls took beyond steady ones."""
        sums = []
        for cell in cells:
            calls = [cell.call(step) for step in (FIRST, BEFORE, OTHER, AFTER)]
            if all(call and (call.seconds or not call.rows_run) for call in calls):
                sums.append(sum(self._excess(call) for call in calls if call))
        return median(sums) if sums else None

    def _excess(self, call: Call) -> Second:
        if not call.seconds:
            return 0.0
        steady = self.eager_seconds(call.rows_run) or self.eager_seconds(call.rows) or 0.0
        # Second calls are warm-up noise of a millisecond: only what was compiled, or came first, is a one-time cost.
        return max(0.0, call.seconds - steady) if call.compilations or call.step == FIRST else 0.0

    def _block(self, arm: str, step: str, order: Order = Order.FORWARD) -> Block | None:
        cell = self.main(arm, order)
        return cell.block(step) if cell else None

    def _change(self, arm: str, before: str, after: str, order: Order) -> Ratio | None:
        first, second = self._block(arm, before, order), self._block(arm, after, order)
        if first is None or second is None:
            return None
        return self._ratio([_log_ratios(second), -_log_ratios(first)], self._floors["change"])

    def _ratio(
        self, samples: Sequence[NDArray[np.float64]], floor: float, weights: Sequence[float] | None = None
    ) -> Ratio:
        """A sum of medians, or a weighted mean of ratios, with a percentile bootstrap of the blocks."""
        generator = np.random.default_rng(_SEED)
        estimates = [np.median(sample) for sample in samples]
        resampled = [
            np.median(sample[generator.integers(len(sample), size=(_RESAMPLES, len(sample)))], axis=1)
            for sample in samples
        ]
        if weights is None:
            value, values = float(np.exp(sum(estimates))), np.exp(np.sum(resampled, axis=0))
        else:
            value = float(sum(w * np.exp(e) for w, e in zip(weights, estimates, strict=True)))
            values = np.sum([w * np.exp(r) for w, r in zip(weights, resampled, strict=True)], axis=0)
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return Ratio(value=value, low=float(low), high=float(high), floor=math.exp(floor))

    @cached_property
    def _floors(self) -> dict[str, float]:
        """95th percentile of what cannot be an effect.

        Per block, that is eager against itself. From one block to another, it is that too, and each arm whose batches
        were served by the same graph in both: whatever changed there, it was not the graph.
        """
        levels, changes = [], []
        for cell in self._cells:
            own = [float(np.median(np.log(block.again) - np.log(block.eager))) for block in cell.blocks]
            levels += [abs(level) for level in own]
            changes += [abs(second - first) for first, second in pairwise(own)]
            changes += [
                abs(float(np.median(_log_ratios(second)) - np.median(_log_ratios(first))))
                for first, second in pairwise(block for block in cell.blocks if block.step != OTHER)
                if _graph(cell, first) == _graph(cell, second)
            ]
        return {"level": _percentile(levels), "change": _percentile(changes)}


def _graph(cell: Cell, block: Block) -> str | None:
    call = cell.call(block.step)
    return call.served if call else None


def _percentile(values: Iterable[float]) -> float:
    listed = list(values)
    return float(np.quantile(listed, CONFIDENCE)) if listed else 0.0


def _log_ratios(block: Block) -> NDArray[np.float64]:
    ratios: NDArray[np.float64] = np.log(block.arm) - np.log(block.eager)
    return ratios


def _parts(call: Call) -> dict[str, Second]:
    parts = {
        stage: sum(getattr(compilation, stage) for compilation in call.compilations)
        for stage in ("dynamo", "aot", "inductor", "cpp")
    }
    return parts | {"other": max(0.0, (call.seconds or 0.0) - sum(parts.values()))}


def advice(analysis: Analysis, full_batches: int) -> list[str]:
    """Which remedy to take, in plain sentences; none where too little was measured."""
    epochs = {arm: analysis.epochs(arm, full_batches) for arm in analysis.arms if not analysis.failure(arm)}
    measured = {arm: found for arm, found in epochs.items() if found}
    if EAGER not in measured:
        return []
    paying = {arm: found.breaks_even for arm, found in measured.items() if found.breaks_even is not None}
    if paying:
        best = min(paying, key=lambda arm: paying[arm])
        saved = 1 - measured[best].gain.value
        sentences = [f"{best} pays first: {saved:.0%} less time per epoch than eager, from epoch {paying[best]:,} on."]
    else:
        sentences = [
            "Stay with eager: no arm was found to need less time per epoch, so compiling never pays for itself."
        ]
    smooth = [
        arm
        for arm in measured
        if len(analysis.stalls(arm)) == 1 and all(call.rows_run == call.rows for call in analysis.served(arm))
    ]
    if smooth:
        least = min(smooth, key=lambda arm: measured[arm].later)
        sentences.append(
            f"One compilation and no stall at any later size: {', '.join(smooth)}; least time per epoch: {least}."
        )
    return sentences
