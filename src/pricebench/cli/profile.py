"""`pricebench profile`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pricebench.cli.console import JsonOption, result, talk
from pricebench.cli.profile_tables import print_analyses

if TYPE_CHECKING:
    from pricebench.modes import ExecutionMode
    from pricebench.profiling import Analysis
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
        print_analyses(analyses)
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
