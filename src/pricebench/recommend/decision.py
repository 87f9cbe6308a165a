"""From evidence and a need to a decision: which mode, how certain, why no other, and what would change the answer.

Rules, fixed before anything was measured. A mode replaces a simpler one if its cost is lower by at least 1 %, if the
95 % interval of the ratio ends below 1, and if it wins by more than two runs of eager differ; also if what it adds to a
first answer took a quarter longer. Simpler is, in this
order: what is not deprecated, then the order of the registry. All are compared with all of their rivals in the same
blocks, so that what disturbs a block disturbs both. The ranking is decided when no other mode can be more than 3 %
cheaper than the chosen one, at 95 % confidence over all looks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pricebench.paired.statistics import quantile, trimmed_mean
from pricebench.recommend.costs import Cost, cost, measured
from pricebench.recommend.evidence import EAGER, NULL, Evidence
from pricebench.recommend.need import Goal, Need, Share

# Blocks after which a decision may be taken: known beforehand, and each look spends half of the error that is left.
LOOKS = (5, 8, 12, 16, 24, 32, 48)
START_SLACK = 0.25  # what a mode adds to a first answer is a single event
WORTH = 0.01  # a smaller gain is no reason to leave a simpler mode
_ALPHA = 0.025  # of either end of an interval, over all looks
INDIFFERENT = 0.03  # a mode that cannot be better by more than this keeps no search going


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One cost or time over another, with its interval over all looks; 0.9 is 10 % less.

    Attributes:
        ratio: Estimated.
        low: Of the 95 % interval; 0 before the first look.
        high: Its other end; infinite before the first look.
    """

    ratio: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> Ratio:
        """Of values that belong to blocks, in their order; those up to the last look count."""
        logs = np.log(np.asarray(values, dtype=np.float64))
        if not len(logs):
            return cls(ratio=math.nan, low=0.0, high=math.inf)
        if not logs.any():
            return cls(ratio=1.0, low=1.0, high=1.0)  # to itself
        # Whoever looks between two looks has looked once more.
        looks = sum(number <= len(logs) for number in LOOKS) + (len(logs) not in LOOKS)
        if len(logs) < LOOKS[0]:
            return cls(ratio=math.exp(float(np.median(logs))), low=0.0, high=math.inf)
        center, error, freedom = trimmed_mean(logs)
        reach = quantile(_ALPHA, looks, freedom) * error
        return cls(ratio=math.exp(center), low=math.exp(center - reach), high=math.exp(center + reach))

    @property
    def is_lower(self) -> bool:
        """Certainly below 1."""
        return self.high < 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for a need.

    Attributes:
        mode: To ship.
        equal: Others whose cost cannot be told from its.
        is_decided: No other can be more than `INDIFFERENT` cheaper.
        costs: By mode, those that were compared.
        relative: Cost over that of eager, by mode.
        against: Cost over that of the chosen mode, by mode.
        null: What eager's second arm costs over its first two together; noise.
        why_not: By mode, in words.
    """

    mode: str
    equal: tuple[str, ...]
    is_decided: bool
    costs: Mapping[str, Cost]
    relative: Mapping[str, Ratio]
    against: Mapping[str, Ratio]
    null: Ratio
    why_not: Mapping[str, str]


def barred(evidence: Evidence, need: Need) -> dict[str, str]:
    """By mode why it is no candidate: it fails, answers wrongly, or what it needs is not there."""
    found = {}
    for tried in evidence.tried:
        if reason := tried.failed(need.kind):
            found[tried.mode] = reason
        elif need.no_python and tried.needs_python:
            found[tried.mode] = "it runs inside of Python, and --no-python says that there is none"
        elif need.no_compiler and tried.needs_compiler:
            found[tried.mode] = "it compiles where it runs, and --no-compiler says that there is no compiler"
    return found


def decide(evidence: Evidence, need: Need) -> Decision | None:
    """Choose; None where no candidate was measured."""
    why_not = barred(evidence, need)
    candidates = measured(evidence, need, [tried.mode for tried in evidence.tried if tried.mode not in why_not])
    for tried in evidence.tried:
        if tried.mode not in why_not and tried.mode not in candidates:
            why_not[tried.mode] = "it was not measured on every size of this traffic"
    if not candidates:
        return None
    compared = [EAGER] if EAGER in why_not and measured(evidence, need, [EAGER]) else []
    costs = {mode: cost(evidence, mode, need) for mode in dict.fromkeys([*candidates, *compared])}
    noise = Ratio.of(cost(evidence, NULL, need).ratios)
    threshold = max(WORTH, abs(noise.ratio - 1))
    order = {tried.mode: (tried.deprecation is not None, place) for place, tried in enumerate(evidence.tried)}
    ranked = sorted(candidates, key=lambda mode: order[mode])
    chosen = ranked[0]
    for mode in ranked[1:]:
        # A start was measured once or twice: the gain has to stand if it takes a quarter longer.
        ratio = Ratio.of(cost(evidence, mode, need, START_SLACK).ratios / costs[chosen].ratios)
        if ratio.is_lower and ratio.ratio < 1 - threshold:
            chosen = mode
    against = {mode: Ratio.of(costs[mode].ratios / costs[chosen].ratios) for mode in costs}
    for mode in candidates:
        if mode != chosen:
            why_not[mode] = _why_not(against[mode], chosen, threshold)
    equal = tuple(mode for mode in candidates if mode != chosen and against[mode].low <= 1 <= against[mode].high)
    rivals = [against[mode] for mode in candidates if mode != chosen]
    return Decision(
        mode=chosen,
        equal=equal,
        is_decided=all(rival.low > 1 - INDIFFERENT for rival in rivals),
        costs=costs,
        relative={mode: Ratio.of(found.ratios) for mode, found in costs.items()},
        against=against,
        null=noise,
        why_not=why_not,
    )


def _why_not(ratio: Ratio, chosen: str, threshold: float) -> str:
    shown = f"{_percent(ratio.ratio)} ({_percent(ratio.low)} to {_percent(ratio.high)})"
    if ratio.low > 1:
        return f"it costs {shown} against {chosen}"
    if ratio.high < 1:
        return (
            f"it costs {shown} against {chosen}, a gain below the {threshold:.0%} that a change of mode has to be worth"
        )
    return f"no difference from {chosen} was found: {shown}"


def _percent(ratio: float) -> str:
    return f"{ratio - 1:+.1%}" if math.isfinite(ratio) else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A condition under which the answer is another one.

    Attributes:
        condition: In words, to stand behind "with".
        mode: The answer then.
    """

    condition: str
    mode: str


def turning_point(evidence: Evidence, need: Need, shapes: Mapping[str, Mapping[str, int]]) -> Turn | None:
    """The nearest condition that changes the answer: the number of calls, then one size alone, then the cache."""
    now = decide(evidence, need)
    if now is None:
        return None

    def mode_of(other: Need) -> str:
        found = decide(evidence, other)
        # A mode that is no different is no other answer.
        return now.mode if found is None or now.mode in found.equal else found.mode

    by_calls = [turn for factor in (0.1, 10.0) if (turn := _by_calls(need, factor, now.mode, mode_of))]
    if by_calls:
        return min(by_calls, key=lambda turn: turn[0])[1]
    for name, sizes in shapes.items():
        alone = replace(need, traffic=(Share(shape=name, sizes=sizes, share=1.0),))
        if len(need.traffic) == 1 and need.traffic[0].shape == name:
            continue
        if (mode := mode_of(alone)) != now.mode:
            return Turn(condition=f"calls of shape {name} ({_sizes(sizes)}) alone", mode=mode)
    if need.goal is not Goal.TRAINING:
        other = "warm" if need.cache == "cold" else "cold"
        if (mode := mode_of(replace(need, cache=other))) != now.mode:
            words = (
                "a compile cache that survives restarts" if other == "warm" else "an empty compile cache at each start"
            )
            return Turn(condition=words, mode=mode)
    return None


def _by_calls(need: Need, factor: float, mode: str, mode_of: object) -> tuple[float, Turn] | None:
    """The number of calls, up to a thousand times fewer or more, at which the answer changes; and how far that is."""
    assert callable(mode_of)
    if not need.calls_per_day:
        return None
    for power in (1, 2, 3):
        calls = need.calls_per_day * factor**power
        if (other := mode_of(replace(need, calls_per_day=calls))) != mode:
            inner, outer = need.calls_per_day * factor ** (power - 1), calls
            for _ in range(12):
                middle = math.sqrt(inner * outer)
                found = mode_of(replace(need, calls_per_day=middle))
                inner, outer, other = (middle, outer, other) if found == mode else (inner, middle, found)
            word = "fewer than" if factor < 1 else "more than"
            noun = "training steps" if need.goal is Goal.TRAINING else "calls"
            return abs(math.log(outer / need.calls_per_day)), Turn(
                condition=f"{word} {_rounded(outer)} {noun} a day", mode=other
            )
    return None


def _rounded(number: float) -> str:
    """Two significant digits: it is an estimate.

    >>> _rounded(123456.0), _rounded(0.4)
    ('120,000', '1')
    """
    if number < 1:
        return "1"
    digits = max(0, math.floor(math.log10(number)) - 1)
    return f"{round(number / 10**digits) * 10**digits:,}"


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size}" for name, size in sizes.items())
