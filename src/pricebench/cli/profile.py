"""`pricebench profile`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pricebench.cli.console import JsonOption, result, talk
from pricebench.units import format_duration

if TYPE_CHECKING:
    from pricebench.modes import ExecutionMode
    from pricebench.profiling import Analysis, Gaps
    from pricebench.workload import Workload


def profile(
    *,
    mode: Annotated[str, typer.Option(help="Execution mode, or all.")] = "all",
    shape: Annotated[str, typer.Option(help="full (2048 rows), residual, or single (1 row).")] = "full",
    training: Annotated[bool, typer.Option("--training", help="A training step instead of a forward pass.")] = False,
    steps: Annotated[int, typer.Option(min=1, help="Steps to record.")] = 20,
    threads: Annotated[int | None, typer.Option(min=1, help="Intra-op threads (default: torch's own).")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where traces and analyses go, a folder per fingerprint.")
    ] = Path("reports/traces"),
    as_json: JsonOption = False,
) -> None:
    """Record a Chrome trace per mode, and tell where the time of a step went.

    Traces open in chrome://tracing and ui.perfetto.dev. Nothing here is a timing: the profiler slows what it watches.
    """
    import torch

    from pricebench.errors import PricebenchError, unknown_name
    from pricebench.machine import this_machine
    from pricebench.modes import MODES, mode_named
    from pricebench.profiling import as_json as to_json
    from pricebench.workload import house_prices

    if device not in ("cpu", "cuda"):
        raise PricebenchError(unknown_name("device", device, ("cpu", "cuda")))
    if device == "cuda" and not torch.cuda.is_available():
        raise PricebenchError("--device cuda: torch finds no CUDA device here. Profile on the CPU: --device cpu.")
    workload = house_prices()
    if shape not in workload.shapes:
        raise PricebenchError(unknown_name("shape", shape, workload.shapes))
    if mode == "all":
        for skipped in (found for found in MODES if found.missing() is not None):
            talk.print(f"skipped {skipped.name}: {skipped.missing()}", markup=False)
        modes: Sequence[ExecutionMode] = [found for found in MODES if found.missing() is None]
    else:
        modes = [mode_named(mode)]
    if threads:
        torch.set_num_threads(threads)
    folder = out / this_machine(device).digest
    analyses = {}
    for chosen in modes:
        talk.print(f"profiling {chosen.name} ...", markup=False)
        analyses[chosen.name] = _profiled(
            chosen, workload, shape, folder, training=training, steps=steps, device=device
        )
    if as_json:
        result.print_json(json.dumps([to_json(analysis) for analysis in analyses.values()]))
    else:
        _print(analyses)
    talk.print(f"wrote {folder}", markup=False)


def _profiled(
    mode: ExecutionMode, workload: Workload, shape: str, folder: Path, *, training: bool, steps: int, device: str
) -> Analysis:
    import torch

    from pricebench.modes.compile import forget
    from pricebench.profiling import ANALYSIS_SUFFIX, TRACE_SUFFIX, Capture, analyse, write_analysis
    from pricebench.profiling.capture import capture

    run = "training" if training else "inference"
    name = f"{mode.name}_{shape}_{run}"
    trace = folder / f"{name}{TRACE_SUFFIX}"
    # What was compiled for another shape or run would be used here too.
    forget()
    capture(_step(mode, workload, shape, training=training, device=device), trace, num_steps=steps, device=device)
    analysis = analyse(
        trace,
        Capture(
            workload=workload.name,
            mode=mode.name,
            shape=shape,
            run=run,
            rows=workload.shapes[shape],
            device=device,
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            fingerprint=folder.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            trace_file=trace.name,
        ),
    )
    write_analysis(analysis, folder / f"{name}{ANALYSIS_SUFFIX}")
    return analysis


def _step(mode: ExecutionMode, workload: Workload, shape: str, *, training: bool, device: str) -> Callable[[], object]:
    """One forward pass, or one training step on a copy of the model."""
    import copy

    from pricebench.training import TrainStep

    rows = workload.shapes[shape]
    x_NF, z_N1 = workload.inputs(rows).to(device), workload.targets(rows).to(device)
    module = copy.deepcopy(workload.module).to(device)
    if not training:
        forward = mode.prepare_inference(module, x_NF)
        return lambda: forward(x_NF)
    step = TrainStep(mode.prepare_training(module, x_NF), module)
    return lambda: step(x_NF, z_N1)


# ---- what is printed -----------------------------------------------------------------------------------------------


def _print(analyses: Mapping[str, Analysis]) -> None:
    from pricebench.profiling import GapKind

    console = Console()
    console.print(_shares(analyses))
    console.print(_operators(analyses))
    for mode, analysis in analyses.items():
        for device in analysis.devices:
            busy = device.busy / (analysis.duration or 1.0)
            table = _table(f"{mode}, device {device.name}: busy {busy:.1%} of a step", "idle", "share", *_GAPS)
            for kind in GapKind:
                gaps = device.gaps[kind]
                table.add_row(kind, f"{gaps.total / (analysis.duration or 1.0):.1%}", *_gap_cells(gaps))
            console.print(table)
    for mode, analysis in analyses.items():
        for warning in analysis.warnings:
            # The same for all modes is said once, below.
            if not all(warning in other.warnings for other in analyses.values()):
                result.print(f"{mode}: {warning}", markup=False)
    common = [set(analysis.warnings) for analysis in analyses.values()]
    for warning in sorted(set.intersection(*common)):
        result.print(f"note: {warning}", markup=False)


_GAPS = ("gaps/step", "p50", "p99")


def _shares(analyses: Mapping[str, Analysis]) -> Table:
    from pricebench.profiling import Part

    capture = next(iter(analyses.values())).capture
    assert capture is not None
    title = f"where a step goes: {capture.run}, {capture.rows:,} rows, {capture.device}, {capture.threads} threads"
    shown = [part for part in Part if any(analysis.parts[part] for analysis in analyses.values())]
    table = _table(title, "mode", *shown, *_GAPS)
    for mode, analysis in analyses.items():
        table.add_row(mode, *(f"{analysis.share(part):.1%}" for part in shown), *_gap_cells(analysis.gaps))
    return table


def _operators(analyses: Mapping[str, Analysis]) -> Table:
    """The ten largest of each mode beside each other."""
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for mode, analysis in analyses.items():
        for operator in analysis.operators:
            shares.setdefault((operator.name, operator.part or ""), {})[mode] = operator.share
    table = _table("ten largest of each mode, by self time", "operator", "part", *analyses)
    for (name, part), by_mode in sorted(shares.items(), key=lambda item: -max(item[1].values())):
        cells = (f"{by_mode[mode]:.1%}" if mode in by_mode else "" for mode in analyses)
        # Names come from a file: text, no markup.
        table.add_row(Text(_short(name)), part, *cells)
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(first, no_wrap=True, overflow="ellipsis")
    for column in columns:
        table.add_column(column, justify="left" if column == "part" else "right", no_wrap=True)
    return table


def _gap_cells(gaps: Gaps) -> tuple[str, str, str]:
    p50, p99 = ("-" if gap is None else format_duration(gap) for gap in (gaps.p50, gaps.p99))
    return f"{gaps.per_step:.1f}", p50, p99


def _short(name: str) -> str:
    """Without the words that every name of its kind has; a graph by the start of its hash."""
    name = name.replace("autograd::engine::evaluate_function: ", "engine: ")
    return name.removeprefix("## Call ")[:22] if name.startswith("## Call CompiledFxGraph ") else name
