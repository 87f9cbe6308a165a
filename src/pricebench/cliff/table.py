"""A report as tables for a terminal or a document: one row per arm, and under them what must be known to read them."""

from __future__ import annotations

from pricebench.cliff.analysis import EAGER, Analysis
from pricebench.cliff.epochs import Epochs, advice, epochs_of
from pricebench.cliff.ratios import Ratio
from pricebench.cliff.records import Report
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, OTHER, Kind, Order
from pricebench.cliff.stalls import Spread, Stall
from pricebench.section import Section, one_line
from pricebench.units import counted, format_duration

NONE = "-"


def sections(report: Report, full_batches: int) -> list[Section]:
    """Everything that the report says, kind by kind."""
    found = []
    for kind in Kind:
        analysis = Analysis(report, kind)
        if not analysis.arms:
            continue
        found.append(graphs(analysis))
        if not report.conditions["counts_only"]:
            found += [once(analysis), parts(analysis), steady(analysis, full_batches)]
    return found


def graphs(analysis: Analysis) -> Section:
    """Which graph served which call."""
    longest = max((analysis.served(arm) for arm in analysis.arms), key=len)
    rows = []
    for arm in analysis.arms:
        calls = {call.step: call for call in analysis.served(arm)}
        cells = []
        for step in longest:
            call = calls.get(step.step)
            if call is None:
                cells.append(NONE)
            elif call.failure:
                cells.append("dropped" if call.failure == "dropped" else "failed")
            else:
                cells.append((call.served or NONE) + ("*" if call.captured else ""))
        number = analysis.num_graphs(arm)
        rows.append((arm, str(NONE if number is None else number), *cells))
    return Section(
        title=f"{analysis.kind}: which graph served a batch of so many rows (* captured for it)",
        header=("arm", "graphs", *(f"{call.rows:,}" for call in longest)),
        rows=tuple(rows),
        notes=tuple(_loud(analysis)),
    )


def once(analysis: Analysis) -> Section:
    """What is paid once: the first call and each new shape."""
    rows = []
    for arm in _compiling(analysis):
        stalls = {stall.step: stall for stall in analysis.stalls(arm)}
        first = next(iter(stalls.values()), None)
        later = [stalls.get(step) for step in (OTHER, "second residual", "single", "pair")]
        rows.append(
            (
                arm,
                str(first.cold.num if first else 0),
                _spread(first.cold if first else None),
                _spread(first.warm if first else None),
                *(f"{_spread(stall.cold if stall else None)}{_warm(stall)}" for stall in later),
            )
        )
    reasons = dict.fromkeys(stall.reason for arm in analysis.arms for stall in analysis.stalls(arm) if stall.reason)
    return Section(
        title=f"{analysis.kind}: paid once. Cold cache, median of the processes, least to most; then a warm cache",
        header=("arm", "processes", "first, cold", "first, warm", "residual", "2nd residual", "1 row", "2 rows"),
        rows=tuple(rows),
        notes=tuple(f"PyTorch's reason: {_short(reason)}" for reason in list(reasons)[:6]),
    )


def parts(analysis: Analysis) -> Section:
    """Where the time of a compilation goes."""
    rows = []
    for arm in _compiling(analysis):
        for stall in analysis.stalls(arm):
            if stall.step in (FIRST, BEFORE, OTHER):
                seconds = [f"{stall.parts[part]:.2f}" for part in ("dynamo", "aot", "inductor", "cpp", "other")]
                rows.append((arm, f"{stall.rows:,}", *seconds, f"{stall.cold.middle:.2f}"))
    return Section(
        title=f"{analysis.kind}: what a cold compilation is made of, seconds",
        header=("arm", "rows", "Dynamo", "AOTAutograd", "Inductor", "C++ compiler", "rest", "total"),
        rows=tuple(rows),
    )


def steady(analysis: Analysis, full_batches: int) -> Section:
    """What is paid from then on."""
    rows = []
    for arm in analysis.arms:
        epochs = epochs_of(analysis, arm, full_batches)
        rows.append(
            (
                arm,
                _ratio(analysis.against_eager(arm, BEFORE)),
                _ratio(analysis.after_against_before(arm)),
                _ratio(analysis.against_eager(arm, AFTER)),
                _ratio(analysis.against_eager(arm, OTHER)),
                format_duration(epochs.first) if epochs else NONE,
                format_duration(epochs.later) if epochs else NONE,
                _breaks_even(arm, epochs),
            )
        )
    batches = f"{full_batches} full and 1 residual batch"
    return Section(
        title=f"{analysis.kind}: paid from then on (times against eager in the same moment; 95 % interval)",
        header=(
            "arm",
            "full: before",
            "after / before",
            "after",
            "residual",
            "first epoch",
            "later",
            "pays from epoch",
        ),
        rows=tuple(rows),
        notes=(*_controls(analysis), f"An epoch has {batches}.", *advice(analysis, full_batches)),
    )


def conditions(report: Report) -> list[str]:
    """What must be known to read the numbers, and what they do not claim."""
    facts, machine = report.conditions, report.machine
    shapes = ", ".join(f"{name} {rows:,}" for name, rows in facts["shapes"].items())
    sentences = []
    sentences.append(
        f"{machine['cpu']}, {machine['logical_cores']} cores, {counted(facts['threads'], 'thread')}, "
        f"{machine['system']}, Python {machine['python']}, torch {machine['torch']}, {machine['device']}; "
        f"workload {facts['workload']} (rows: {shapes}); {report.started}, fingerprint {report.fingerprint}."
    )
    sentences += [f"Of the workload: {note}." for note in facts.get("notes", ())]
    if report.toolchain:
        tools = report.toolchain
        sentences.append(
            f"Not booked to the model: importing torch {format_duration(tools.imports)}, its compiler "
            f"{format_duration(tools.compiler_imports)}; a machine's first compilation of one line "
            f"{format_duration(tools.first)}, of another process {format_duration(tools.later)}."
        )
    if not facts["counts_only"]:
        for kind in Kind:
            analysis = Analysis(report, kind)
            if analysis.arms:
                sentences.append(
                    f"Noise floor, {kind}: eager against itself differs by up to {analysis.floors.level - 1:.1%} in "
                    f"95 % of blocks; from one block to the next, arms that kept their graph change by up to "
                    f"{analysis.floors.change - 1:.1%}. A smaller ratio, or one whose interval holds 1, is marked ~: "
                    "no difference found."
                )
        sentences.append(
            "Stalls are single events, one a process. Ratios come from one process each; another machine, model, "
            "batch size or torch may order the arms differently."
        )
        if facts["forked"]:
            sentences.append("Processes are forked after torch and its compiler were imported.")
    if not report.is_complete:
        sentences.append("The run ended before all its repetitions: the tables say how many processes there are.")
    sentences += [f"Warning: {warning}." for warning in report.warnings]
    return sentences


def _loud(analysis: Analysis) -> list[str]:
    notes = []
    for arm in analysis.arms:
        silent = analysis.silently_eager(arm)
        if silent:
            sizes = ", ".join(dict.fromkeys(f"{call.rows:,}" for call in silent))
            notes.append(f"{arm} RAN EAGER, without saying so, for {sizes} rows: a recompile limit was hit.")
        failure = analysis.failure(arm)
        if failure:
            notes.append(f"{arm}: {failure[:160]}")
        if analysis.is_taken_over(arm):
            notes.append(f"{arm}: full batches were taken over by another graph after the residual.")
    return notes


def _controls(analysis: Analysis) -> list[str]:
    notes = []
    sizes = [rows for rows in (analysis.residual, analysis.aligned()) if analysis.per_row(rows)]
    if sizes:
        parts = " and ".join(f"{analysis.per_row(rows):.2f} times as long per row with {rows:,} rows" for rows in sizes)
        notes.append(f"Control, arithmetic: eager takes {parts} as with {analysis.full:,}; no compiler is to blame.")
    aligned = analysis.against_eager("compile", OTHER, Order.ALIGNED)
    odd = analysis.against_eager("compile", OTHER)
    if aligned and odd:
        notes.append(
            f"Control, alignment: compile against eager, {analysis.aligned():,} rows {one_line(_ratio(aligned))}; "
            f"{analysis.residual:,} rows {one_line(_ratio(odd))}."
        )
    reverse = analysis.after_against_before("compile", Order.REVERSE)
    if reverse:
        notes.append(
            "Control, order: the residual first, then a full batch; residual after / before "
            f"{one_line(_ratio(reverse))}."
        )
    changes = analysis.repeated_changes("compile")
    if len(changes) > 1:
        listed = ", ".join(f"{change:.2f}" for change in changes)
        notes.append(f"compile, full after / before, process by process: {listed}.")
    return notes


def _compiling(analysis: Analysis) -> list[str]:
    return [arm for arm in analysis.arms if analysis.num_graphs(arm) is not None]


def _short(reason: str) -> str:
    """Without the source line and the advice that follow it."""
    return reason.partition("  #")[0][:120]


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return NONE
    mark = "" if ratio.is_found else "~"
    return f"{mark}{ratio.value:.2f}\n{ratio.low:.2f} to {ratio.high:.2f}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return NONE
    if spread.num == 1:
        return format_duration(spread.middle)
    return f"{format_duration(spread.middle)}\n{format_duration(spread.least)} to {format_duration(spread.most)}"


def _warm(stall: Stall | None) -> str:
    return f"\nwarm {format_duration(stall.warm.middle)}" if stall and stall.warm else ""


def _breaks_even(arm: str, epochs: Epochs | None) -> str:
    if arm == EAGER or epochs is None:
        return NONE
    return f"{epochs.breaks_even:,}" if epochs.breaks_even is not None else "never"
