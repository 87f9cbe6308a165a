"""From cells to statements about arms: graphs, failures, stalls, and times against eager's in the same moment."""

from __future__ import annotations

import math
from functools import cached_property
from statistics import median

import numpy as np

from pricebench.cliff.ratios import Floors, Ratio, log_ratios
from pricebench.cliff.records import Block, Call, Cell, Report
from pricebench.cliff.schedule import AFTER, BEFORE, LATER, Kind, Order
from pricebench.cliff.stalls import Stall, stalls_of
from pricebench.units import Second

EAGER = "eager"


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
        return stalls_of(self.cells(arm, "cold"), self.cells(arm, "warm"))

    def against_eager(self, arm: str, step: str, order: Order = Order.FORWARD) -> Ratio | None:
        """The arm's time against eager's at a step."""
        block = self.block(arm, step, order)
        return Ratio.of([log_ratios(block)], self.floors.level) if block else None

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
                changes.append(math.exp(float(np.median(log_ratios(after)) - np.median(log_ratios(before)))))
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

    @cached_property
    def floors(self) -> Floors:
        """What is noise in this run."""
        return Floors.of(self._cells)

    def block(self, arm: str, step: str, order: Order = Order.FORWARD) -> Block | None:
        """The steady block of the arm's main cell at a step, if it was measured."""
        cell = self.main(arm, order)
        return cell.block(step) if cell else None

    def _change(self, arm: str, before: str, after: str, order: Order) -> Ratio | None:
        first, second = self.block(arm, before, order), self.block(arm, after, order)
        if first is None or second is None:
            return None
        return Ratio.of([log_ratios(second), -log_ratios(first)], self.floors.change)
