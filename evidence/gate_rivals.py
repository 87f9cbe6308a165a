"""How other tools call a benchmark slower, as functions over the same raw blocks: what they would have said here.

Each rule is that of the tool's source or documentation, with its defaults. What a tool calls a run is one process here;
where it compares with something stored, that is the process of the block before, a few seconds earlier: kinder than
another day or another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Samples = NDArray[np.float64]  # (blocks, slices): seconds per call
Rule = Callable[[Samples, Samples], list[bool]]

_RESAMPLES = 1000
_HISTORY = 64  # runs that Bencher is given
_COMMITS = 100  # Conbench's rolling window


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A tool's rule.

    Attributes:
        name: Of the tool, with its setting.
        rule: `(base, head)` -> for each verdict that the blocks give, whether it says slower.
    """

    name: str
    rule: Rule


def _neighbours(base: Samples, head: Samples) -> Iterator[tuple[Samples, Samples]]:
    """A stored run, and the next one."""
    return zip(base[:-1], head[1:], strict=True)


def stored(statistic: Callable[[Samples], float], limit: float) -> Rule:
    """pytest-benchmark's `--benchmark-compare-fail`: now against the stored run, `mean:5%` and the like."""

    def rule(base: Samples, head: Samples) -> list[bool]:
        return [bool(statistic(now) / statistic(before) - 1 > limit) for before, now in _neighbours(base, head)]

    return rule


def github_action(limit: float) -> Rule:
    """github-action-benchmark: its extractor reads operations per second, 1/mean, against the previous commit."""

    def rule(base: Samples, head: Samples) -> list[bool]:
        return [bool((1 / before.mean()) / (1 / now.mean()) > limit) for before, now in _neighbours(base, head)]

    return rule


def criterion(base: Samples, head: Samples) -> list[bool]:
    """criterion.rs: bootstrapped two-sample t at 5 %, and the bootstrapped change of the mean beyond 1 %."""
    chance = np.random.default_rng(0)
    found = []
    for before, now in _neighbours(base, head):
        pooled = np.concatenate([before, now])
        drawn = chance.choice(pooled, (_RESAMPLES, len(pooled)))
        null = _welch(drawn[:, : len(before)], drawn[:, len(before) :])
        p = float(np.mean(np.abs(null) >= abs(_welch(before[None], now[None])[0])))
        means = [chance.choice(each, (_RESAMPLES, len(each))).mean(axis=1) for each in (before, now)]
        lowest = np.quantile(means[1] / means[0] - 1, 0.025)
        found.append(p < 0.05 and bool(lowest > 0.01))
    return found


def _welch(one: Samples, other: Samples) -> Samples:
    spread = one.var(axis=1, ddof=1) / one.shape[1] + other.var(axis=1, ddof=1) / other.shape[1]
    return np.asarray((other.mean(axis=1) - one.mean(axis=1)) / np.sqrt(np.maximum(spread, 1e-300)))


def benchstat(base: Samples, head: Samples) -> list[bool]:
    """Go's benchstat: ten runs, then ten of the other; Mann-Whitney's U at 5 %, and the median is larger."""
    found = []
    for start in range(0, len(base) - 19, 20):
        before, now = np.median(base[start : start + 10], axis=1), np.median(head[start + 10 : start + 20], axis=1)
        p = stats.mannwhitneyu(before, now, alternative="two-sided").pvalue
        found.append(bool(p < 0.05 and np.median(now) > np.median(before)))
    return found


def pyperf(base: Samples, head: Samples) -> list[bool]:
    """pyperf: twenty processes of three values, then twenty of the other; Student's t of all values at 95 %."""
    found = []
    for start in range(0, len(base) - 39, 40):
        before, now = base[start : start + 20, :3].ravel(), head[start + 20 : start + 40, :3].ravel()
        found.append(bool(stats.ttest_ind(before, now).pvalue < 0.05 and now.mean() > before.mean()))
    return found


def asv(base: Samples, head: Samples) -> list[bool]:
    """Airspeed velocity's continuous: two interleaved processes a side, pooled; medians beyond 1.1, and U at 0.2 %."""
    found = []
    for start in range(0, len(base) - 1, 2):
        before, now = base[start : start + 2].ravel(), head[start : start + 2].ravel()
        p = stats.mannwhitneyu(before, now, alternative="two-sided").pvalue
        found.append(bool(np.median(now) / np.median(before) > 1.1 and p < 0.002))
    return found


def bencher(base: Samples, head: Samples) -> list[bool]:
    """Bencher: above the upper 99 % prediction limit of Student's t over the last 64 runs' means."""
    means, now = base.mean(axis=1), head.mean(axis=1)
    found = []
    for number in range(_HISTORY, len(means)):
        history = means[number - _HISTORY : number]
        reach = stats.t.ppf(0.99, _HISTORY - 1) * history.std(ddof=1) * np.sqrt(1 + 1 / _HISTORY)
        found.append(bool(now[number] > history.mean() + reach))
    return found


def conbench(base: Samples, head: Samples) -> list[bool]:
    """Conbench: the best of a run, more than five standard deviations above the rolling mean of 100 commits."""
    best, now = base.min(axis=1), head.min(axis=1)
    found = []
    for number in range(_COMMITS, len(best)):
        history = best[number - _COMMITS : number]
        found.append(bool(now[number] - history.mean() > 5 * history.std(ddof=1)))
    return found


RIVALS = (
    Rival(name="pytest-benchmark, `mean:5%`", rule=stored(np.mean, 0.05)),
    Rival(name="pytest-benchmark, `mean:10%`", rule=stored(np.mean, 0.10)),
    Rival(name="pytest-benchmark, `min:5%`", rule=stored(np.min, 0.05)),
    Rival(name="pytest-benchmark, `min:10%`", rule=stored(np.min, 0.10)),
    Rival(name="github-action-benchmark, 200 %", rule=github_action(2.0)),
    Rival(name="github-action-benchmark, 110 %", rule=github_action(1.1)),
    Rival(name="criterion.rs", rule=criterion),
    Rival(name="benchstat, 10 runs", rule=benchstat),
    Rival(name="pyperf, 20 processes", rule=pyperf),
    Rival(name="asv continuous", rule=asv),
    Rival(name="Bencher, t-test .99", rule=bencher),
    Rival(name="Conbench, z > 5", rule=conbench),
)
