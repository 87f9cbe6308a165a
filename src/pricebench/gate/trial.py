"""Adding blocks until everything is decided or the time is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pricebench.gate.conclusion import CONTROL_THRESHOLDS, judge_control, judge_pair, unpaired
from pricebench.gate.control import Control
from pricebench.gate.driver import Prepared, measure
from pricebench.gate.records import Arm, Pair
from pricebench.gate.report import Finding
from pricebench.gate.settings import Settings
from pricebench.paired.records import Block
from pricebench.paired.slices import NOTHING, Experiment
from pricebench.paired.statistics import LOOKS
from pricebench.units import Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a trial is.

    Attributes:
        num_blocks: Measured so far.
        num_open: Benchmarks that are not decided.
        num_benchmarks: That are compared.
        left: Seconds that may still be spent.
    """

    num_blocks: int
    num_open: int
    num_benchmarks: int
    left: Second


class Trial:
    """One judgement of prepared sides: what is known so far, and what is still worth measuring."""

    def __init__(self, *, prepared: Prepared, settings: Settings, deadline: Second) -> None:
        self._prepared = prepared
        self._settings = settings
        self._deadline = deadline
        self._findings: dict[Pair, Finding] = {}
        self._control: Control | None = None
        self.blocks: list[Block] = []

    def run(
        self, *, seed: int, experiment: Experiment = NOTHING, show: Callable[[Progress], None] = lambda _: None
    ) -> None:
        """Measure.

        Args:
            seed: Of orders and hashes.
            experiment: What is done to the arms beside the control.
            show: Is told how far it is.

        Raises:
            WorkerError: A process died or hung.
        """
        experiment = replace(experiment, planted=self._planted() | dict(experiment.planted))
        for block in measure(self._prepared, self._choose, seed=seed, experiment=experiment):
            self._add(block)
            show(
                Progress(
                    num_blocks=len(self.blocks),
                    num_open=len(self._prepared.pairs) - len(self._findings),
                    num_benchmarks=len(self._prepared.pairs),
                    left=max(0.0, self._deadline - time.monotonic()),
                )
            )

    def _choose(self) -> tuple[Sequence[Pair], bool]:
        """What the next block measures: all that is open, if there is time for a block."""
        needs_control = self._control is None and bool(self._prepared.pairs)
        pairs = [pair for pair in self._prepared.pairs if pair not in self._findings]
        longest = max((block.wall for block in self.blocks[-3:]), default=0.0)
        is_spent = time.monotonic() + longest > self._deadline
        is_last_look = len(self.blocks) >= LOOKS[-1]
        if (is_spent and self.blocks) or is_last_look or not (pairs or needs_control):
            return (), False
        return pairs, needs_control

    def _add(self, block: Block) -> None:
        """Take a block in; at a look, see what is decided."""
        self.blocks.append(block)
        for pair in self._prepared.pairs:
            # What failed is decided by that.
            if pair not in self._findings and (len(self.blocks) in LOOKS or pair.head in block.failures):
                found = self._judge(pair)
                if found.is_final:
                    self._findings[pair] = found
        if self._control is None and len(self.blocks) in LOOKS:
            found_control = self._judge_control()
            if found_control.is_seen:
                self._control = found_control

    def _planted(self) -> dict[str, float]:
        """The slowdown of the control."""
        if not self._prepared.pairs:
            return {}
        return {Arm.CONTROL: CONTROL_THRESHOLDS * self._settings.threshold_of(self._prepared.control.head)}

    def findings(self) -> list[Finding]:
        """Of all benchmarks, decided or not, in head's order; then those that could not be compared."""
        prepared = self._prepared
        measured = []
        for pair in prepared.pairs:
            found = self._findings.get(pair) or self._judge(pair)
            renamed = f"renamed from {pair.base}" if pair.base != pair.head else ""
            measured.append(replace(found, note="; ".join(filter(None, [found.note, renamed]))))
        return measured + unpaired(prepared.on_base, prepared.on_head, prepared.pairs, self._settings.threshold_of)

    def control(self) -> Control | None:
        """The planted slowdown, seen or not."""
        if not self._prepared.pairs:
            return None
        return self._control or self._judge_control()

    def _judge(self, pair: Pair) -> Finding:
        is_single = self._prepared.on_base.rounds.get(pair.base) == 1
        return judge_pair(self.blocks, pair, self._settings.threshold_of(pair.head), is_single=is_single)

    def _judge_control(self) -> Control:
        pair = self._prepared.control
        return judge_control(self.blocks, pair, self._settings.threshold_of(pair.head))
