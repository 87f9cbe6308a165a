"""From evidence to a report: the sentence that answers, and a candidate per mode with what is asked about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pricebench.paired.statistics import median_seconds
from pricebench.recommend.costs import call_ratios, eager_seconds, pays_from
from pricebench.recommend.decision import LOOKS, Decision, Ratio, Turn, barred, decide, turning_point
from pricebench.recommend.evidence import EAGER, Evidence, Tried, case
from pricebench.recommend.need import Goal, Need, Share
from pricebench.recommend.report import Candidate, PerCall, Report
from pricebench.units import counted


def conclude(
    evidence: Evidence,
    need: Need,
    *,
    started: str,
    facts: Mapping[str, Any],
    source: str,
    conditions: Mapping[str, Any],
    warnings: tuple[str, ...],
) -> Report:
    """Make the report.

    Args:
        evidence: What was measured.
        need: What is asked for.
        started: ISO 8601, UTC.
        facts: Of the workload and the machine, as the facts' process told.
        source: The workload, as it was asked for.
        conditions: What else must be known.
        warnings: What disturbed the measurement.
    """
    decision = decide(evidence, need)
    turn = turning_point(evidence, need, facts["shapes"])
    candidates = tuple(_candidate(evidence, need, facts["shapes"], tried, decision) for tried in evidence.tried)
    return Report(
        started=started,
        workload=facts["name"],
        source=source,
        shapes=facts["shapes"],
        fingerprint=facts["fingerprint"],
        machine=facts["machine"],
        conditions=conditions,
        need=need,
        sentence=_sentence(evidence, need, decision, turn),
        recommended=decision.mode if decision else None,
        equal=decision.equal if decision else (),
        is_decided=bool(decision and decision.is_decided),
        turn=turn,
        null=decision.null if decision else None,
        candidates=candidates,
        notes=tuple(facts["notes"]),
        warnings=warnings,
        evidence=evidence,
    )


def _candidate(
    evidence: Evidence,
    need: Need,
    shapes: Mapping[str, Mapping[str, int]],
    tried: Tried,
    decision: Decision | None,
) -> Candidate:
    mode = tried.mode
    reason = barred(evidence, need).get(mode, "")
    status = "measured"
    if reason:
        status = "failed" if tried.failed(need.kind) else "excluded"
        status = "wrong answer" if reason.startswith("wrong answer") else status
    found = decision.costs.get(mode) if decision else None
    traffic = [share.sizes for share in need.traffic]
    life = tried.life(need.cache)
    answer = tried.answers.get(need.kind)
    # Also the shapes that the traffic made, beside those that have a name.
    names = [*shapes, *(share.shape for share in need.traffic if share.shape not in shapes)]
    return Candidate(
        mode=mode,
        status=status,
        why_not=decision.why_not.get(mode, "") if decision else reason,
        cost_per_day=found.per_day if found else None,
        relative=decision.relative.get(mode) if decision else None,
        inference=_per_call(evidence, mode, "inference", names),
        training=_per_call(evidence, mode, "training", names),
        first_answer_cold=evidence.common + tried.cold.own if tried.cold else None,
        first_answer_warm=evidence.common + tried.warm.own if tried.warm else None,
        stall=life.stall_at_unseen(traffic) if life else None,
        compilations=life.compilations if life else None,
        pays_from=pays_from(evidence, mode, need) if found and need.goal is not Goal.STARTUP else None,
        resident=tried.cold.resident if tried.cold else None,
        artifact=tried.cold.artifact if tried.cold else None,
        cache=tried.cold.cache if tried.cold else None,
        error=answer.error if answer else None,
        eager_error=answer.eager if answer else None,
        training_failure=tried.failed("training"),
        graph_breaks=tried.graph_breaks,
        needs=tried.needs,
        deprecation=tried.deprecation,
    )


def _per_call(evidence: Evidence, mode: str, kind: str, names: list[str]) -> dict[str, PerCall]:
    found = {}
    for name in names:
        measured_case = case(kind, name)
        if not any(mode in block.seconds.get(measured_case, {}) for block in evidence.blocks):
            continue
        alone = Need(
            goal=Goal.TRAINING if kind == "training" else Goal.LATENCY,
            traffic=(Share(shape=name, sizes={}, share=1.0),),
            restarts_per_day=0.0,
            calls_per_day=1.0,
        )
        if mode == EAGER:
            seconds = eager_seconds(evidence, measured_case)
        else:
            seconds = median_seconds(evidence.blocks, measured_case, mode)
        found[name] = PerCall(seconds=seconds, relative=Ratio.of(call_ratios(evidence, mode, alone)))
    return found


def _sentence(evidence: Evidence, need: Need, decision: Decision | None, turn: Turn | None) -> str:
    if decision is None:
        return "No mode runs this workload: each row says why."
    if need.goal is not Goal.STARTUP and len(evidence.blocks) < LOOKS[0]:
        return _too_early(evidence, decision)
    told = [_answer(evidence, need, decision)]
    if turn:
        told.append(f"With {turn.condition} the answer is {turn.mode}.")
    else:
        told.append("Nothing that was measured would change this: no number of calls, no single shape, no cache.")
    if not decision.is_decided:
        told.append("The budget did not suffice to rank all modes. Run again with a larger --budget.")
    return " ".join(told)


def _too_early(evidence: Evidence, decision: Decision) -> str:
    blocks = counted(len(evidence.blocks), "block")
    best = min(decision.relative, key=lambda mode: decision.relative[mode].ratio)
    so_far = f" So far {best} costs {_change(decision.relative[best])} against eager." if best != EAGER else ""
    return (
        f"No answer yet: {blocks} fitted into the budget, and the first ranking "
        f"needs {LOOKS[0]}.{so_far} Run again with a larger --budget."
    )


def _answer(evidence: Evidence, need: Need, decision: Decision) -> str:
    mode = decision.mode
    if mode == EAGER:
        rivals = {name: ratio for name, ratio in decision.against.items() if name != EAGER}
        if not rivals:
            return "Ship eager: no other mode can run this workload as it is needed."
        best = min(rivals, key=lambda name: rivals[name].ratio)
        return f"Ship eager: no mode is cheaper beyond doubt; {best} comes nearest with {_change(rivals[best])} cost."
    relative = decision.relative[mode]
    what = {
        Goal.LATENCY: "a day of calls",
        Goal.THROUGHPUT: "a day of full batches",
        Goal.TRAINING: "a day of training steps",
        Goal.STARTUP: "a first answer",
    }[need.goal]
    words = f"Ship {mode}: {what} costs {_change(relative)} against eager"
    others = [name for name in decision.equal if name != EAGER]
    if need.goal is not Goal.STARTUP:
        calls = pays_from(evidence, mode, need)
        noun = "training step" if need.goal is Goal.TRAINING else "call"
        if calls is None:
            words += "; it saves at the start, not in a call"
        elif calls <= 1:
            words += f"; it pays from the first {noun} on"
        else:
            words += f"; it pays for its start from {math.ceil(calls):,} {noun}s of a process on"
    if others:
        words += f". {' and '.join(others)} {'are' if len(others) > 1 else 'is'} no different"
    return words + "."


def _change(ratio: Ratio) -> str:
    """In percent, with the interval where there is one."""
    shown = f"{abs(ratio.ratio - 1):.0%} {'less' if ratio.ratio < 1 else 'more'}"
    if not math.isfinite(ratio.high):
        return f"{shown} (interval not known yet)"
    if ratio.high == ratio.low:
        return shown
    ends = sorted((1 - ratio.low, 1 - ratio.high)) if ratio.ratio < 1 else sorted((ratio.low - 1, ratio.high - 1))
    return f"{shown} ({ends[0] * 100:.0f} to {ends[1] * 100:.0f} %)"


def formula(need: Need) -> str:
    """The cost of a day in words, with the numbers of a need."""
    noun = "steps" if need.goal is Goal.TRAINING else "calls"
    if need.goal is Goal.STARTUP:
        return f"cost per day = {need.restarts_per_day:,.0f} restarts x first answer ({need.cache} cache)"
    sizes = ", ".join(f"{share.share:.0%} {share.shape}" for share in need.traffic)
    return (
        f"cost per day = {need.restarts_per_day:,.0f} restarts x (first answer, {need.cache} cache, and stalls at the "
        f"other sizes) + {need.calls_per_day:,.0f} {noun} x seconds per call ({sizes})"
    )
