"""A trained model at work: one house priced in every mode, with its latency, and what a mode made of the model.

Knows no streamlit. A `PriceDesk` is shared by all browser tabs, each of which is served by threads of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pricebench.artifacts import Artifacts, load_metrics
from pricebench.dashboard.house_inputs import inputs_for
from pricebench.dashboard.walkthrough import code_of
from pricebench.errors import ArtifactError, ModeError, PricebenchError
from pricebench.modes import MODES, ExecutionMode
from pricebench.serving import Predictor
from pricebench.serving.price_range import Price, residuals_or_reason, with_range
from pricebench.units import Dollar, Second

TIMED_CALLS = 25
# Compile for seconds at the first call: only when asked to, and beside the page.
_WARMED_BY_HAND = ("compile",)


class ModeState(StrEnum):
    """Whether a mode can price a house at once."""

    READY = "ready"
    COLD = "not compiled yet"
    WARMING = "compiling"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModePrice:
    """One mode's answer for one house.

    Attributes:
        mode: Its name.
        state: Whether it answered.
        dollars: Its price, or None.
        samples: Single calls, raw features to dollars; empty where it did not answer.
        ready_after: What preparing the mode and its first call took, compiling included; None before that.
        note: What must be said about it.
    """

    mode: str
    state: ModeState
    dollars: Dollar | None = None
    samples: tuple[Second, ...] = ()
    ready_after: Second | None = None
    note: str = ""


@dataclass(slots=True, kw_only=True)
class _Slot:
    """A mode's place at the desk."""

    mode: ExecutionMode
    state: ModeState
    note: str = ""
    predictor: Predictor | None = None
    ready_after: Second | None = None


class PriceDesk:
    """A trained model ready to price houses in every mode.

    Attributes:
        artifacts: Model and statistics.
        inputs: The features to type in.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        metrics: Mapping[str, Any] | ArtifactError,
        *,
        clock: Callable[[], Second] = time.perf_counter,
    ) -> None:
        self.artifacts = artifacts
        self.inputs = inputs_for(artifacts.stats)
        self._predictor = Predictor(artifacts)
        self._clock = clock
        self._residuals, self._no_range = residuals_or_reason(metrics, artifacts.stats.model_digest)
        # One house at a time is timed: two browser tabs would measure each other.
        self._timing = threading.Lock()
        self._slots = {mode.name: _slot(mode) for mode in MODES}
        self._codes: dict[str, str] = {}

    @classmethod
    def load(cls, folder: Path) -> PriceDesk:
        """Read a folder that `pricebench train` wrote; without its metrics prices have no range.

        Raises:
            ArtifactError: The folder holds no model, or not a whole one.
        """
        artifacts = Artifacts.load(folder)
        try:
            return cls(artifacts, load_metrics(folder))
        except ArtifactError as error:
            return cls(artifacts, error)

    @property
    def is_warming(self) -> bool:
        """Whether a mode compiles right now."""
        return any(slot.state is ModeState.WARMING for slot in self._slots.values())

    @property
    def predictor(self) -> Predictor:
        """The eager one."""
        return self._predictor

    def price(self, house_F: NDArray[np.float64]) -> Price:
        """Price one house, `(F,)`, whose values are possible."""
        dollars = float(self._predictor.predict(house_F[None, :])[0])
        return with_range(dollars, self._predictor.warnings_for(house_F), self._residuals, self._no_range)

    def in_mode(self, name: str, house_F: NDArray[np.float64]) -> ModePrice:
        """Price one house, `(F,)`, in a mode, and time single calls; a mode that is not ready says so instead."""
        slot = self._slots[name]
        if slot.state is not ModeState.READY:
            return ModePrice(mode=name, state=slot.state, note=slot.note)
        x_1F = house_F[None, :]
        with self._timing:
            try:
                predictor = self._warmed(slot, x_1F)
            except PricebenchError as error:
                slot.state, slot.note = ModeState.FAILED, str(error)
                return ModePrice(mode=name, state=slot.state, note=slot.note)
            samples = []
            for _ in range(TIMED_CALLS):
                started = self._clock()
                price_1 = predictor.predict(x_1F)
                samples.append(self._clock() - started)
        return ModePrice(
            mode=name,
            state=ModeState.READY,
            dollars=float(price_1[0]),
            samples=tuple(samples),
            ready_after=slot.ready_after,
        )

    def warm_up(self, name: str) -> threading.Thread | None:
        """Let a mode compile beside the page; None where it is warm, warming, or cannot run.

        Returns:
            The thread, for whoever wants to wait.
        """
        slot = self._slots[name]
        with self._timing:
            if slot.state is not ModeState.COLD:
                return None
            slot.state = ModeState.WARMING
        # A daemon: Ctrl-C does not wait for a compiler.
        thread = threading.Thread(target=self._compile, args=(slot,), name=f"warm-up-{name}", daemon=True)
        thread.start()
        return thread

    def has_code(self, name: str) -> bool:
        """Whether `code` answers at once."""
        return name in self._codes or name not in _WARMED_BY_HAND

    def code(self, name: str) -> str:
        """What a mode made of the way from raw features to dollars; compiling takes seconds, once.

        Raises:
            ModeError: The mode makes nothing to read, cannot run here, or compiles just now.
        """
        if name not in self._codes:
            self._codes[name] = self._compiled_code(name) if name in _WARMED_BY_HAND else code_of(self.artifacts, name)
        return self._codes[name]

    def _compiled_code(self, name: str) -> str:
        slot = self._slots[name]
        with self._timing:
            if slot.state is ModeState.WARMING:
                raise ModeError(f"Mode {name} compiles just now. Try again in some seconds.")
            before, slot.state = slot.state, ModeState.WARMING
        try:
            return code_of(self.artifacts, name)
        finally:
            # Reading the code drops every compiled graph of this process, the predictor's too.
            slot.predictor = None
            slot.state = ModeState.COLD if before is ModeState.READY else before

    def _compile(self, slot: _Slot) -> None:
        typical_F = np.array([given.typical for given in self.inputs])
        found = ModeState.FAILED
        try:
            self._warmed(slot, typical_F[None, :])
            found = ModeState.READY
        # Dynamo's, Inductor's and the C++ compiler's errors are RuntimeErrors.
        except (PricebenchError, RuntimeError, OSError) as error:
            first_line = next(filter(None, str(error).splitlines()), type(error).__name__)
            slot.note = f"{slot.mode.name} did not compile: {first_line}"
        finally:
            # Whatever happened, nobody waits for ever.
            slot.state = found

    def _warmed(self, slot: _Slot, x_1F: NDArray[np.float64]) -> Predictor:
        """The mode's predictor, after its first call."""
        if slot.predictor is None:
            started = self._clock()
            predictor = Predictor(self.artifacts, mode=slot.mode.name)
            predictor.predict(x_1F)
            slot.ready_after = self._clock() - started
            slot.predictor = predictor
        return slot.predictor


def _slot(mode: ExecutionMode) -> _Slot:
    reason = mode.missing()
    if reason is not None:
        return _Slot(mode=mode, state=ModeState.FAILED, note=f"cannot run here: {reason}.")
    return _Slot(mode=mode, state=ModeState.COLD if mode.name in _WARMED_BY_HAND else ModeState.READY)


def quartiles(samples: Sequence[Second]) -> tuple[Second, Second, Second]:
    """First quartile, median, third quartile."""
    low, middle, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)
