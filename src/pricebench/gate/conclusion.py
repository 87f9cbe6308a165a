"""From rehearsals and blocks to findings. What is not there, or does not work, is a finding too: never a pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np

from pricebench.gate.control import Control
from pricebench.gate.judge import Verdict, judge, log_ratio, log_ratios
from pricebench.gate.records import Arm, Pair
from pricebench.gate.rehearsal import Rehearsal, is_in
from pricebench.gate.report import Finding
from pricebench.paired.records import Block, Company
from pricebench.paired.statistics import median_seconds, trimmed_mean

CONTROL_THRESHOLDS = 3.0  # the planted slowdown, in thresholds of its benchmark
# What others may take of the machine while head is measured, more than while base is: beyond it a difference has a
# cause outside of the code. Both are far above what identical code shows on a quiet machine.
_MORE_WAITED = 0.02  # of the time, and
_EXPLAINED = 0.25  # of the change: what waiting does not explain that far is no excuse
_MORE_CORES = 0.25
_CHANGE_PER_CORE = 0.25  # logarithm of the ratio: what a busy neighbour may do by caches, memory and clock


def judge_pair(blocks: Sequence[Block], pair: Pair, threshold: float, *, is_single: bool = False) -> Finding:
    """What the blocks say of one benchmark."""
    name = pair.head
    failures = [block.failures[name] for block in blocks if name in block.failures]
    if failures:
        return _failed(name, failures[0], threshold)
    with_all = [block for block in blocks if {Arm.BASE, Arm.HEAD, Arm.NULL} <= block.seconds.get(name, {}).keys()]
    if any(not math.isfinite(log_ratio(block, name)) for block in with_all):
        return Finding(
            benchmark=name,
            verdict=Verdict.UNDECIDED,
            threshold=threshold,
            note="a slice took no time by the suite's own timer: nothing can be said",
        )
    found = judge(log_ratios(with_all, name), threshold)
    null = judge(log_ratios(with_all, name, Arm.NULL, (Arm.BASE,)), threshold)
    verdict, note = found.verdict, ""
    if null.verdict in (Verdict.SLOWER, Verdict.FASTER):
        verdict = Verdict.UNDECIDED
        note = f"two copies of base differ by {null.change:+.1%}: this machine cannot tell"
    elif verdict in (Verdict.SLOWER, Verdict.FASTER):
        note = _other_cause(with_all[: found.num_blocks], name, found.change)
        verdict = Verdict.UNDECIDED if note else verdict
    return Finding(
        benchmark=name,
        verdict=verdict,
        threshold=threshold,
        base=median_seconds(with_all, name, Arm.BASE),
        head=median_seconds(with_all, name, Arm.HEAD),
        change=found.change,
        low=found.low,
        high=found.high,
        num_blocks=found.num_blocks,
        num_slower=found.num_slower,
        detectable=found.detectable,
        null=null.change,
        is_single=is_single,
        note=note,
    )


def _other_cause(blocks: Sequence[Block], benchmark: str, change: float) -> str:
    """Why a difference between head and base may be somebody else's doing, or empty."""
    companies = [block.company[benchmark] for block in blocks if Arm.HEAD in block.company.get(benchmark, {})]
    if not companies:
        return ""
    waited = _more(companies, lambda company: company.waited)
    cores = _more(companies, lambda company: company.others)
    # Only the side that waited is slower for it.
    if waited * change > 0 and abs(waited) > max(_MORE_WAITED, _EXPLAINED * abs(math.log1p(change))):
        side = "head" if waited > 0 else "base"
        return f"others had the core for {abs(waited):.0%} more of the time while {side} was measured"
    if abs(cores) > max(_MORE_CORES, abs(math.log1p(change)) / _CHANGE_PER_CORE):
        side = "head" if cores > 0 else "base"
        return f"others used {abs(cores):.2f} cores more while {side} was measured"
    return ""


def _more(companies: Sequence[Mapping[str, Company]], value: Callable[[Company], float]) -> float:
    """By how much a value was larger for head than for the copies of base; a burst counts as little as in a change."""
    more = [value(arms[Arm.HEAD]) - fmean(value(arms[arm]) for arm in (Arm.BASE, Arm.NULL)) for arms in companies]
    return trimmed_mean(np.array(more))[0]


def judge_control(blocks: Sequence[Block], pair: Pair, threshold: float) -> Control:
    """Whether the planted slowdown was seen."""
    with_control = [block for block in blocks if Arm.CONTROL in block.seconds.get(pair.head, {})]
    ratios = log_ratios(with_control, pair.head, Arm.CONTROL)
    planted = CONTROL_THRESHOLDS * threshold
    if not len(ratios) or not all(map(math.isfinite, ratios)):
        return Control(benchmark=pair.head, planted=planted, change=None, is_seen=False)
    found = judge(ratios, threshold)
    return Control(benchmark=pair.head, planted=planted, change=found.change, is_seen=found.verdict is Verdict.SLOWER)


def unpaired(
    base: Rehearsal, head: Rehearsal, pairs: Sequence[Pair], threshold_of: Callable[[str], float]
) -> list[Finding]:
    """Benchmarks that could not be compared, each with what became of it."""
    paired_base, paired_head = {pair.base for pair in pairs}, {pair.head for pair in pairs}
    found = []

    def add(name: str, verdict: Verdict, note: str) -> None:
        found.append(Finding(benchmark=name, verdict=verdict, threshold=threshold_of(name), note=note))

    for name, reason in head.failed.items():
        if name in base.failed:
            add(name, Verdict.WRONG, f"fails on base and on head: {reason}")
        else:
            add(name, Verdict.WRONG, reason)
    for name, verdict, note in _not_imported(base, head):
        add(name, verdict, note)
    for name in head.estimates:
        if name not in paired_head and not any(is_in(name, file) for file in base.broken):
            was = base.failed.get(name) or base.skipped.get(name)
            add(
                name,
                Verdict.NEW,
                f"base could not run it: {was}" if was else "base does not have it: nothing to compare",
            )
    for name in base.estimates:
        if name in paired_base or name in head.failed or any(is_in(name, file) for file in head.broken):
            continue
        skips = [f"{file}: {reason}" for file, reason in head.unwanted.items() if is_in(name, file)]
        if name in head.skipped:
            add(name, Verdict.GONE, f"head skips it: {head.skipped[name]}")
        elif skips:
            add(name, Verdict.GONE, f"head skips {skips[0]}")
        else:
            add(name, Verdict.GONE, "head does not have it. If it was renamed or removed, a reviewed line can say so")
    return found


def _not_imported(base: Rehearsal, head: Rehearsal) -> Iterator[tuple[str, Verdict, str]]:
    """The benchmarks of files that a side cannot import; the file itself where nobody knows its benchmarks."""
    for file, reason in head.broken.items():
        where = "on base and on head" if file in base.broken else "on head"
        for name in [name for name in base.estimates if is_in(name, file)] or [file]:
            yield name, Verdict.WRONG, f"pytest {where} cannot import {file}: {reason}"
    for file, reason in base.broken.items():
        why = f"pytest on base cannot import {file}: {reason}"
        for name in head.estimates:
            if is_in(name, file):
                # It may be the environment only, and then nothing says that head is no slower.
                yield name, Verdict.UNDECIDED, f"{why}; nothing is compared"
        if file not in head.broken and not any(is_in(name, file) for name in head.found):
            yield file, Verdict.GONE, f"{why}; head has no benchmark of it. A reviewed line can say that it was removed"


def _failed(name: str, reasons: Mapping[str, str], threshold: float) -> Finding:
    """It passed when it was rehearsed, and failed while it was measured."""
    told = "; ".join(f"{arm}: {reason}" for arm, reason in reasons.items())
    verdict = Verdict.WRONG if set(reasons) == {Arm.HEAD} else Verdict.UNDECIDED
    return Finding(benchmark=name, verdict=verdict, threshold=threshold, note=f"failed while measured ({told})")
