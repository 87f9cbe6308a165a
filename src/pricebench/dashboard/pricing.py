"""What the Predict page shows: a house's price with its range, in every mode with its latency, and priced files.

Knows no streamlit. A `PriceDesk` is shared by all browser tabs, each of which is served by threads of its own.
"""

from __future__ import annotations

import io
import math
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pricebench.artifacts import Artifacts, load_metrics
from pricebench.dashboard.walkthrough import code_of
from pricebench.data import QUANTITIES, Quantity
from pricebench.errors import ArtifactError, ModeError, PricebenchError
from pricebench.modes import MODES, ExecutionMode
from pricebench.normalization import TrainingStats
from pricebench.serving import FAMILIAR_SD, BulkReport, Predictor, price_file
from pricebench.units import Dollar, Second

TIMED_CALLS = 25
_TRAIN = "Run: uv run pricebench train."
# Compile for seconds at the first call: only when asked to, and beside the page.
_WARMED_BY_HAND = ("compile",)
# Fewer do not show what one in twenty is like.
_FEWEST_HOUSES = 40
_HEAD_ROWS = 100


# ---- inputs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One feature as something to type in.

    Attributes:
        quantity: Name, unit and limit.
        typical: The training mean, rounded to a step.
        step: About a tenth of the training standard deviation.
        low: Smallest familiar value.
        high: Largest familiar value.
    """

    quantity: Quantity
    typical: float
    step: float
    low: float
    high: float

    @property
    def label(self) -> str:
        """Name and unit, for people, without a word twice: rooms (per house)."""
        name = self.quantity.name.replace("_", " ")
        return f"{name.capitalize()} ({self.quantity.unit.removeprefix(name).strip()})"

    @property
    def decimals(self) -> int:
        """That a value of this feature is shown with."""
        return 0 if self.step >= 1.0 else 2

    @property
    def familiar(self) -> str:
        """The range that training knows."""
        return f"{self.low:,.{self.decimals}f} to {self.high:,.{self.decimals}f}"


def inputs_for(stats: TrainingStats) -> tuple[Input, ...]:
    """The features with steps and ranges that suit the training data."""
    return tuple(
        _input(quantity, float(mean), float(std))
        for quantity, mean, std in zip(QUANTITIES, stats.features.mean, stats.features.std, strict=False)
    )


def _input(quantity: Quantity, mean: float, std: float) -> Input:
    step = 10.0 ** (round(math.log10(std)) - 1)
    return Input(
        quantity=quantity,
        typical=round(round(mean / step) * step, 10),
        step=step,
        low=max(quantity.minimum, mean - FAMILIAR_SD * std),
        high=mean + FAMILIAR_SD * std,
    )


def wrong_values(house_F: NDArray[np.float64]) -> list[str]:
    """A sentence per feature, `(F,)`, that no house can have."""
    return [
        f"{quantity.name} is {value:g}, expected {quantity.expectation}."
        for quantity, value in zip(QUANTITIES, house_F, strict=False)
        if not np.isfinite(value) or quantity.first_wrong(np.array([value])) is not None
    ]


# ---- range ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """True minus predicted price on held-out rows.

    Attributes:
        quantiles: Dollars by level, such as 0.05.
        num_houses: Held-out rows behind them.
    """

    quantiles: Mapping[float, Dollar]
    num_houses: int

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any], model_digest: str) -> Residuals:
        """Read them from `metrics.json`.

        Raises:
            ArtifactError: It has none, or too few rows, or belongs to another model.
        """
        if "residual_quantiles" not in metrics:
            raise ArtifactError(f"No range: metrics.json is of a version that kept no residuals. {_TRAIN}")
        if metrics.get("model_digest") != model_digest:
            raise ArtifactError(f"No range: metrics.json belongs to another model. {_TRAIN}")
        try:
            quantiles = {float(level): float(value) for level, value in metrics["residual_quantiles"].items()}
            num_houses = int(metrics["num_test"])
            is_whole = {0.05, 0.25, 0.75, 0.95} <= set(quantiles) and all(map(math.isfinite, quantiles.values()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged() from error
        if not is_whole:
            raise _damaged()
        if num_houses < _FEWEST_HOUSES:
            raise ArtifactError(
                f"No range: it needs at least {_FEWEST_HOUSES} held-out houses, found {num_houses}. Train on more rows."
            )
        return cls(quantiles=quantiles, num_houses=num_houses)


def _damaged() -> ArtifactError:
    return ArtifactError(f"No range: the residuals in metrics.json are damaged. {_TRAIN}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a house costs.

    Attributes:
        dollars: The prediction.
        half: Between these lies the middle 50 % of held-out houses with this prediction's residuals; None if unknown.
        most: The same for 90 %.
        range_note: What the ranges rest on, or why there are none.
        warnings: Why the price should be doubted.
    """

    dollars: Dollar
    half: tuple[Dollar, Dollar] | None
    most: tuple[Dollar, Dollar] | None
    range_note: str
    warnings: tuple[str, ...]


# ---- modes ---------------------------------------------------------------------------------------------------------


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
        self._residuals, self._no_range = _residuals(metrics, artifacts.stats.model_digest)
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
        warnings = tuple(self._predictor.warnings_for(house_F))
        if self._residuals is None:
            return Price(dollars=dollars, half=None, most=None, range_note=self._no_range, warnings=warnings)
        if warnings:
            note = "No range: the held-out houses that it would come from were all more familiar than this one."
            return Price(dollars=dollars, half=None, most=None, range_note=note, warnings=warnings)
        quantiles = self._residuals.quantiles
        note = f"From the residuals of {self._residuals.num_houses:,} held-out houses."
        return Price(
            dollars=dollars,
            half=(max(0.0, dollars + quantiles[0.25]), dollars + quantiles[0.75]),
            most=(max(0.0, dollars + quantiles[0.05]), dollars + quantiles[0.95]),
            range_note=note,
            warnings=warnings,
        )

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


def _residuals(metrics: Mapping[str, Any] | ArtifactError, model_digest: str) -> tuple[Residuals | None, str]:
    try:
        if isinstance(metrics, ArtifactError):
            raise metrics
        return Residuals.from_metrics(metrics, model_digest), ""
    except ArtifactError as error:
        return None, str(error)


def quartiles(samples: Sequence[Second]) -> tuple[Second, Second, Second]:
    """First quartile, median, third quartile."""
    low, middle, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


# ---- files ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedFile:
    """An uploaded table with its prices.

    Attributes:
        name: For the download.
        csv: Its content, UTF-8.
        report: What was priced.
    """

    name: str
    csv: bytes
    report: BulkReport

    @property
    def head(self) -> pd.DataFrame:
        """The first rows, to look at."""
        # As text: a cell is shown as it will be downloaded.
        return pd.read_csv(io.BytesIO(self.csv), nrows=_HEAD_ROWS, dtype=str, keep_default_na=False)


def price_upload(predictor: Predictor, name: str, content: bytes) -> PricedFile:
    """Price every row of an uploaded CSV or Parquet file.

    Args:
        predictor: Prices the houses.
        name: As the browser calls the file; only letters, digits and dots of it are used.
        content: Its bytes.

    Raises:
        DataError: A wrong header or cell.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-80:].lstrip(".") or "houses.csv"
    with tempfile.TemporaryDirectory(prefix="pricebench-") as folder:
        source = Path(folder) / safe
        source.write_bytes(content)
        sink = io.BytesIO()
        report = price_file(predictor, source, sink)
    return PricedFile(name=f"priced_{Path(safe).stem}.csv", csv=sink.getvalue(), report=report)
