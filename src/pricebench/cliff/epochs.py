"""What epochs of an arm cost, when compiling has paid for itself, and which arm to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from pricebench.cliff.analysis import EAGER, Analysis
from pricebench.cliff.ratios import Ratio, log_ratios
from pricebench.cliff.records import Call, Cell
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, LATER, OTHER
from pricebench.units import Second


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


def epochs_of(analysis: Analysis, arm: str, full_batches: int) -> Epochs | None:
    """Epochs of `full_batches` full batches and a residual; None where something for it was not measured."""
    cell = analysis.main(arm)
    eager_full, eager_residual = analysis.eager_seconds(analysis.full), analysis.eager_seconds(analysis.residual)
    other = cell.call(OTHER) if cell else None
    # Full batches as they are from then on: both blocks, because one alone may have met a good or a bad moment.
    full = [block for step in (AFTER, LATER) if (block := analysis.block(arm, step))]
    residual = analysis.block(arm, OTHER)
    if not cell or cell.failure or not eager_full or not eager_residual or not full or not other:
        return None
    if not residual and other.rows_run:
        return None
    samples = [np.concatenate([log_ratios(block) for block in full])]
    weights = [full_batches * eager_full]
    if residual:
        samples.append(log_ratios(residual))
        weights.append(eager_residual)
    eager = sum(weights)
    # Advice hangs on it: smaller than what changes by itself from block to block, it is no difference.
    floor = max(analysis.floors.level, analysis.floors.change)
    ratio = Ratio.of(samples, floor, weights=[weight / eager for weight in weights])
    later = ratio.value * eager
    cold, warm = _once(analysis, analysis.cells(arm, "cold")), _once(analysis, analysis.cells(arm, "warm"))
    eager_once = _once(analysis, analysis.cells(EAGER, "cold")) or 0.0
    if cold is None:
        return None
    breaks_even = None
    if arm != EAGER and ratio.is_found and later < eager:
        breaks_even = max(1, math.ceil((cold - eager_once) / (eager - later)))
    return Epochs(once_cold=cold, once_warm=warm, later=later, eager=eager, gain=ratio, breaks_even=breaks_even)


def advice(analysis: Analysis, full_batches: int) -> list[str]:
    """Which remedy to take, in plain sentences; none where too little was measured."""
    epochs = {arm: epochs_of(analysis, arm, full_batches) for arm in analysis.arms if not analysis.failure(arm)}
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


def _once(analysis: Analysis, cells: Sequence[Cell]) -> Second | None:
    """Median over processes of what the first calls took beyond steady ones."""
    sums = []
    for cell in cells:
        calls = [cell.call(step) for step in (FIRST, BEFORE, OTHER, AFTER)]
        if all(call and (call.seconds or not call.rows_run) for call in calls):
            sums.append(sum(_excess(analysis, call) for call in calls if call))
    return median(sums) if sums else None


def _excess(analysis: Analysis, call: Call) -> Second:
    if not call.seconds:
        return 0.0
    steady = analysis.eager_seconds(call.rows_run) or analysis.eager_seconds(call.rows) or 0.0
    # Second calls are warm-up noise of a millisecond: only what was compiled, or came first, is a one-time cost.
    return max(0.0, call.seconds - steady) if call.compilations or call.step == FIRST else 0.0
