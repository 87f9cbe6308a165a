"""What a mode costs a day, in seconds of waiting: the currency that makes stall and speed comparable.

    cost per day = restarts per day x (first answer + stalls at the other sizes of the traffic)
                 + calls per day x sum over sizes of (share of calls x seconds per call)

A first answer is the time to a loaded model, the same in all modes and the median of all processes, and what the mode
adds until its first call is done: so that the noise of imports, seconds, decides nothing.

The seconds per call come from paired blocks: per block and size the ratio to eager is taken, of slices that are
neighbours in time, so the machine's own drift cancels. What a mode adds, and the stalls, are single events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pricebench.paired.records import Block
from pricebench.paired.statistics import log_ratios, median_seconds
from pricebench.recommend.evidence import EAGER, NULL, Evidence, case
from pricebench.recommend.need import Goal, Need
from pricebench.units import Second

BOTH = (EAGER, NULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A day in a mode.

    Attributes:
        startup: Seconds of waiting for first answers, all restarts of a day.
        per_call: Seconds of a call, weighted by the traffic.
        per_day: Seconds in all.
        ratios: Cost over that of eager, a value per block.
    """

    startup: Second
    per_call: Second
    per_day: Second
    ratios: NDArray[np.float64]


def startup(evidence: Evidence, mode: str, need: Need, slack: float = 0.0) -> Second:
    """Seconds that one process waits before it has met all of the traffic.

    Args:
        evidence: What was measured.
        mode: Which one.
        need: Its traffic and cache count.
        slack: Share by which what the mode itself adds is taken to be longer.
    """
    life = evidence.of(mode).life(need.cache)
    assert life is not None, f"{mode} was measured without a life"
    return evidence.common + (life.own + life.stalls([share.sizes for share in need.traffic])) * (1 + slack)


def call_ratios(evidence: Evidence, mode: str, need: Need) -> NDArray[np.float64]:
    """Seconds per call over those of eager, weighted by traffic: a value per block."""
    blocks = _with_traffic(evidence, need)
    if mode == EAGER:
        return np.ones(len(blocks))
    against = (EAGER,) if mode == NULL else BOTH
    weights, ratios = [], []
    for share in need.traffic:
        name = case(need.kind, share.shape)
        weights.append(share.share * eager_seconds(evidence, name))
        ratios.append(np.exp(log_ratios(blocks, name, mode, against)))
    return np.average(np.stack(ratios), axis=0, weights=weights)


def eager_seconds(evidence: Evidence, name: str) -> Second:
    """Of a case: the mean of eager's two medians."""
    return float(np.mean([median_seconds(evidence.blocks, name, arm) for arm in BOTH]))


def cost(evidence: Evidence, mode: str, need: Need, slack: float = 0.0) -> Cost:
    """What a day costs in a mode that was measured; `slack` as in `startup`."""
    if need.goal is Goal.STARTUP:
        return _of_starts(evidence, mode, need)
    eager_call = sum(share.share * eager_seconds(evidence, case(need.kind, share.shape)) for share in need.traffic)
    ratios = call_ratios(evidence, mode, need)
    reference = EAGER if mode == NULL else mode
    once = need.restarts_per_day * startup(evidence, reference, need, slack)
    eager_once = need.restarts_per_day * startup(evidence, EAGER, need)
    calls = need.calls_per_day * eager_call
    per_call = eager_call * float(np.median(ratios))
    return Cost(
        startup=once,
        per_call=per_call,
        per_day=once + need.calls_per_day * per_call,
        ratios=(once + calls * ratios) / (eager_once + calls),
    )


def _of_starts(evidence: Evidence, mode: str, need: Need) -> Cost:
    """Of first answers alone, which were repeated in rounds: a ratio per round."""
    ours, theirs = (np.array(evidence.starts[name]) for name in (mode, EAGER))
    once = need.restarts_per_day * float(np.median(ours))
    return Cost(startup=once, per_call=float(np.median(ours)), per_day=once, ratios=ours / theirs)


def pays_from(evidence: Evidence, mode: str, need: Need) -> float | None:
    """Calls of one process from which on a mode is cheaper than eager.

    What its start costs more, over what a call saves. 0 where its start costs no more; None where it saves nothing.
    """
    ours, theirs = cost(evidence, mode, need), cost(evidence, EAGER, need)
    saved = theirs.per_call - ours.per_call
    if saved <= 0:
        return None
    return max(0.0, (startup(evidence, mode, need) - startup(evidence, EAGER, need)) / saved)


def measured(evidence: Evidence, need: Need, modes: Sequence[str]) -> list[str]:
    """Those of the modes that took part in every case of the traffic, or of which first answers were repeated."""
    if need.goal is Goal.STARTUP:
        return [mode for mode in modes if mode in evidence.starts]
    blocks = _with_traffic(evidence, need)
    cases = [case(need.kind, share.shape) for share in need.traffic]
    return [mode for mode in modes if blocks and all(mode in block.seconds[name] for block in blocks for name in cases)]


def _with_traffic(evidence: Evidence, need: Need) -> list[Block]:
    """The blocks that measured every case of a traffic: what is not of it is left out of the later ones."""
    cases = {case(need.kind, share.shape) for share in need.traffic}
    return [block for block in evidence.blocks if cases <= block.seconds.keys()]
