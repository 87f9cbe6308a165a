"""What a person reads of a recommendation: tables of plain text, and the sentences below them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pricebench.recommend.conclusion import formula
from pricebench.recommend.decision import Ratio
from pricebench.recommend.report import Candidate, PerCall, Report
from pricebench.section import Section
from pricebench.units import counted, format_duration

_STALL = 0.05  # seconds; what is shorter is a cold processor cache, and no compilation


def sections(report: Report) -> list[Section]:
    """The tables, the most important first."""
    able = [each for each in report.candidates if each.inference or each.training or each.first_answer_cold]
    return [
        Section(
            title="Cost of a day",
            header=("mode", "cost per day", "against eager", "first answer", "cache warm", "new size", "pays from"),
            rows=tuple(_cost(report, each) for each in able),
        ),
        *_times("Seconds per call, in brackets the ratio to eager", "inference", able),
        *_times("Seconds per training step, in brackets the ratio to eager", "training", able),
        Section(
            title="How right it is, and what it takes",
            header=("mode", "error", "eager's", "graphs", "breaks", "memory", "artifact", "cache"),
            rows=tuple(map(_needs, able)),
        ),
    ]


def sentences(report: Report) -> list[str]:
    """Why no other mode, the graph breaks, the formula, the conditions, the warnings."""
    told = [f"{each.mode}: {each.why_not}" for each in report.candidates if each.why_not]
    for each in report.candidates:
        told += [f"graph break in {each.mode}: {_break(found)}" for found in each.graph_breaks]
        if each.training_failure:
            told.append(f"{each.mode} cannot train: {each.training_failure}")
        if each.needs != "nothing":
            told.append(f"{each.mode} needs {each.needs}")
        if each.deprecation:
            told.append(f"{each.mode} is {each.deprecation}")
    told.append(formula(report.need))
    if report.null:
        told.append(f"noise: eager against itself {percent(report.null)}")
    conditions, machine = report.conditions, report.machine
    told.append(
        f"{machine['cpu']}, {machine['logical_cores']} cores, {machine['system']}, Python {machine['python']}, "
        f"torch {machine['torch']}, {machine['device']}, {counted(conditions['threads'], 'thread')}; "
        f"{counted(len(report.evidence.blocks), 'block')} of fresh processes, {conditions['seconds']:.0f} s; "
        "first answers, stalls and memory are single events of one process each"
    )
    told += [f"workload {report.workload}: {note}" for note in report.notes]
    told += [f"warning: {warning}" for warning in report.warnings]
    return told


def _cost(report: Report, each: Candidate) -> tuple[str, ...]:
    return (
        _marked(report, each.mode),
        _duration(each.cost_per_day),
        percent(each.relative) if each.relative and each.mode != "eager" else "-",
        _duration(each.first_answer_cold),
        _duration(each.first_answer_warm),
        "none" if each.stall is not None and each.stall < _STALL else _duration(each.stall),
        _pays(each),
    )


def _pays(each: Candidate) -> str:
    if each.mode == "eager" or each.pays_from is None:
        return "-"
    return f"{math.ceil(each.pays_from):,} calls" if each.pays_from > 1 else "the first call"


def _marked(report: Report, mode: str) -> str:
    return f"{mode} <- ship" if mode == report.recommended else mode


def _times(title: str, kind: str, able: Sequence[Candidate]) -> list[Section]:
    cases: list[Mapping[str, PerCall]] = [each.inference if kind == "inference" else each.training for each in able]
    shapes = list(dict.fromkeys(shape for found in cases for shape in found))
    if not shapes:
        return []
    rows = tuple(
        (each.mode, *(_time(found.get(shape)) for shape in shapes)) for each, found in zip(able, cases, strict=True)
    )
    return [Section(title=title, header=("mode", *shapes), rows=rows)]


def _time(found: PerCall | None) -> str:
    if found is None:
        return "-"
    return f"{format_duration(found.seconds)} ({found.relative.ratio:.2f})"


def _needs(each: Candidate) -> tuple[str, ...]:
    return (
        each.mode,
        _error(each.error),
        _error(each.eager_error),
        "-" if each.compilations is None else str(each.compilations),
        str(len(each.graph_breaks)) if each.mode == "compile" else "-",
        megabytes(each.resident),
        megabytes(each.artifact),
        megabytes(each.cache or None),
    )


def percent(ratio: Ratio) -> str:
    """A change with its interval: `-12.3 % (-13.0 to -11.6)`."""
    if not math.isfinite(ratio.ratio):
        return "-"
    change = f"{(ratio.ratio - 1) * 100:+.1f} %"
    if not math.isfinite(ratio.high) or ratio.low == ratio.high:
        return change
    return f"{change} ({(ratio.low - 1) * 100:+.1f} to {(ratio.high - 1) * 100:+.1f})"


def megabytes(size: int | None) -> str:
    """Whole megabytes from ten on.

    >>> megabytes(1_500_000), megabytes(650_000_000), megabytes(None)
    ('1.5 MB', '650 MB', '-')
    """
    if size is None:
        return "-"
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


def _break(found: Mapping[str, object]) -> str:
    return f"{found['reason']} ({found['file']}, line {found['line']})" if found["file"] else str(found["reason"])


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)


def _error(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}"
