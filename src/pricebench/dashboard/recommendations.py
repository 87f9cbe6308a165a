"""What the Recommend page shows of a report: costs with their intervals, why no other mode, and answers elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.recommend.conclusion import formula
from pricebench.recommend.need import Need, RecommendError
from pricebench.recommend.report import Report
from pricebench.recommend.table import percent, sections, sentences
from pricebench.section import Section
from pricebench.units import counted

FOLDER = "recommendations"
_NONE = "no mode"


class Shown(NamedTuple):
    """What the page shows of one report.

    Attributes:
        costs: As `costs_frame`.
        noise: Eager against itself, as the ends of a band around 1, or None.
        tables: Those that the command prints.
        why_not: A row per mode that was not chosen.
        formula: The cost of a day in words.
        sentences: What must be known beside the numbers.
        warnings: What disturbed the measurement.
    """

    costs: pd.DataFrame
    noise: tuple[float, float] | None
    tables: list[Section]
    why_not: pd.DataFrame
    formula: str
    sentences: list[str]
    warnings: tuple[str, ...]


def shown(report: Report) -> Shown:
    """Take a report apart.

    Raises:
        RecommendError: It lacks what this version reads.
    """
    # They have a place of their own on the page.
    said = {f"{each.mode}: {each.why_not}" for each in report.candidates} | {formula(report.need)}
    said |= {f"warning: {warning}" for warning in report.warnings}
    try:
        return Shown(
            costs=costs_frame(report),
            noise=_noise(report),
            tables=sections(report),
            why_not=why_not_frame(report),
            formula=formula(report.need),
            sentences=[sentence for sentence in sentences(report) if sentence not in said],
            warnings=report.warnings,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RecommendError(
            f"expected a recommendation of this version, found one without {line_of(str(error))}. "
            "Make another: pricebench recommend."
        ) from error


def costs_frame(report: Report) -> pd.DataFrame:
    """A row per mode whose cost is known: `name`, `ratio` to eager, `low`, `high` (NaN where unknown), `chosen`."""
    rows = [
        {
            "name": line_of(each.mode),
            "ratio": each.relative.ratio,
            "low": each.relative.low if each.relative.low > 0 else math.nan,
            "high": each.relative.high if math.isfinite(each.relative.high) else math.nan,
            "chosen": "ship" if each.mode == report.recommended else "not chosen",
        }
        for each in report.candidates
        if each.relative is not None and math.isfinite(each.relative.ratio) and each.relative.ratio > 0
    ]
    return pd.DataFrame(rows, columns=["name", "ratio", "low", "high", "chosen"])


def _noise(report: Report) -> tuple[float, float] | None:
    null = report.null
    if null is None or not (null.low > 0 and math.isfinite(null.high)):
        return None
    return null.low, null.high


def why_not_frame(report: Report) -> pd.DataFrame:
    """A row per mode that was not chosen: `mode`, `status`, `why not`."""
    return pd.DataFrame(
        [
            {"mode": line_of(each.mode), "status": line_of(each.status), "why not": line_of(each.why_not)}
            for each in report.candidates
            if each.mode != report.recommended
        ],
        columns=["mode", "status", "why not"],
    )


# ---- several reports -----------------------------------------------------------------------------------------------


def need_label(need: Need) -> str:
    """A need in a few words; two that differ in anything have two."""
    traffic = ", ".join(f"{share.share:.3g} {share.shape}" for share in need.traffic)
    told = [
        f"{need.goal}: {traffic}",
        f"{need.calls_per_day:,.10g} calls and {need.restarts_per_day:,.10g} restarts a day",
        f"{need.cache} cache",
        *(["no Python"] if need.no_python else []),
        *(["no compiler"] if need.no_compiler else []),
    ]
    return line_of("; ".join(told))


def machine_label(report: Report) -> str:
    """The machine without its software: what stays the same when torch is upgraded."""
    facts, threads = report.machine, report.conditions.get("threads")
    return line_of(
        f"{facts.get('cpu', 'unknown CPU')}, {facts.get('logical_cores', '?')} cores, {facts.get('device', '?')}, "
        f"{counted(threads, 'thread') if isinstance(threads, int) else '? threads'}"
    )


def torch_of(report: Report) -> str:
    """The torch that was measured."""
    return line_of(str(report.machine.get("torch", "unknown")))


def answers_frame(reports: Iterable[Report]) -> pd.DataFrame:
    """A row per report of one workload, in their order: when, where, for what need, and the answer."""
    return pd.DataFrame(
        [
            {
                "started": line_of(report.started[:16].replace("T", " ")),
                "machine": machine_label(report),
                "torch": torch_of(report),
                "answer": line_of(report.recommended or _NONE),
                "against eager": _against_eager(report),
                "no different": line_of(", ".join(report.equal)) or "-",
                "need": need_label(report.need),
            }
            for report in reports
        ]
    )


def _against_eager(report: Report) -> str:
    found = [each.relative for each in report.candidates if each.mode == report.recommended]
    return percent(found[0]) if found and found[0] is not None and report.recommended != "eager" else "-"


def upgrades(reports: Iterable[Report]) -> list[str]:
    """What another torch did to the answer, a sentence per step on one machine for one need.

    Args:
        reports: Of one workload, oldest first.
    """
    last: dict[tuple[str, str], Report] = {}
    told = []
    for report in reports:
        place = (machine_label(report), need_label(report.need))
        before, last[place] = last.get(place), report
        if before is None or torch_of(before) == torch_of(report):
            continue
        was, now = (each.recommended or _NONE for each in (before, report))
        step = f"From torch {torch_of(before)} to {torch_of(report)}"
        if was == now:
            told.append(f"{step} the answer stayed {now} ({place[1]}).")
        elif was in report.equal or now in before.equal:
            told.append(f"{step} the answer went from {was} to {now}, which are no different ({place[1]}).")
        else:
            told.append(f"{step} the answer changed from {was} to {now} ({place[1]}).")
    return told
