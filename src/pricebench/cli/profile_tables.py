"""What `pricebench profile` prints: shares, gaps, operators and devices of modes beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pricebench.cli.console import result
from pricebench.units import counted, format_duration

if TYPE_CHECKING:
    from pricebench.profiling import Analysis, Gaps

_GAPS = ("gaps", "p50", "p99")
_SPACE = 2  # between columns
_WIDTHS = {"gaps": len("12.0"), "p50": len("1.23 ms"), "p99": len("1.23 ms"), "part": len("dispatch")}


def print_analyses(analyses: Mapping[str, Analysis]) -> None:
    """Print shares and operators of modes beside each other, their devices, and what must be known to read them."""
    from pricebench.profiling import GapKind

    capture = next(iter(analyses.values())).capture
    assert capture is not None
    result.print(
        f"where a step goes: {capture.run}, {counted(capture.rows, 'row')}, {capture.device}, "
        f"{counted(capture.threads, 'thread')}",
        markup=False,
    )
    _print_shares(analyses)
    result.print("gaps: stretches of a step in which no operator runs, their number and length")
    result.print("\nten largest of each mode, by self time")
    _print_operators(analyses)
    for mode, analysis in analyses.items():
        for device in analysis.devices:
            busy = device.busy / (analysis.duration or 1.0)
            result.print(f"\n{mode}, device {device.name}: busy {busy:.1%} of a step", markup=False)
            table, console = _table("idle", "share", *_GAPS)
            for kind in GapKind:
                gaps = device.gaps[kind]
                table.add_row(kind, f"{gaps.total / (analysis.duration or 1.0):.1%}", *_gap_cells(gaps))
            console.print(table)
    result.print()
    for mode, analysis in analyses.items():
        for warning in analysis.warnings:
            # The same for all modes is said once, below.
            if not all(warning in other.warnings for other in analyses.values()):
                result.print(f"{mode}: {warning}", markup=False)
    common = [set(analysis.warnings) for analysis in analyses.values()]
    for warning in sorted(set.intersection(*common)):
        result.print(f"note: {warning}", markup=False)


def _print_shares(analyses: Mapping[str, Analysis]) -> None:
    from pricebench.profiling import Part

    shown = [part for part in Part if any(analysis.parts[part] for analysis in analyses.values())]
    table, console = _table("mode", *shown, *_GAPS)
    for mode, analysis in analyses.items():
        table.add_row(mode, *(f"{analysis.share(part):.1%}" for part in shown), *_gap_cells(analysis.gaps))
    console.print(table)


def _print_operators(analyses: Mapping[str, Analysis]) -> None:
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for mode, analysis in analyses.items():
        for operator in analysis.operators:
            shares.setdefault((operator.name, operator.part or ""), {})[mode] = operator.share
    table, console = _table("operator", "part", *analyses)
    for (name, part), by_mode in sorted(shares.items(), key=lambda item: -max(item[1].values())):
        cells = (f"{by_mode[mode]:.1%}" if mode in by_mode else "" for mode in analyses)
        # Names come from a file: text, no markup.
        table.add_row(Text(_short(name)), part, *cells)
    console.print(table)


def _table(first: str, *columns: str) -> tuple[Table, Console]:
    """A table as wide as the terminal at most: its first column gives way, because a number that is cut is none."""
    console = Console()
    table = Table(box=None, pad_edge=False, padding=(0, _SPACE, 0, 0))
    widths = [max(len(column), _WIDTHS.get(column, len("12.3%"))) for column in columns]
    left = console.width - sum(width + _SPACE for width in widths)
    table.add_column(first, no_wrap=True, overflow="ellipsis", max_width=max(left, len("torchscript")))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, justify="left" if column == "part" else "right", min_width=width, no_wrap=True)
    return table, console


def _gap_cells(gaps: Gaps) -> tuple[str, str, str]:
    p50, p99 = ("-" if gap is None else format_duration(gap) for gap in (gaps.p50, gaps.p99))
    return f"{gaps.per_step:.1f}", p50, p99


def _short(name: str) -> str:
    """Without the words that every name of its kind has; a graph by the start of its hash."""
    name = name.replace("autograd::engine::evaluate_function: ", "engine: ")
    return name.removeprefix("## Call ")[:22] if name.startswith("## Call CompiledFxGraph ") else name
