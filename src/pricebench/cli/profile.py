"""`pricebench profile`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pricebench.cli.console import HOUSE_PRICES, JsonOption, TransformsOption, WorkloadOption, names_in, result, talk
from pricebench.cli.profile_tables import print_analyses

if TYPE_CHECKING:
    from pricebench.modes import ExecutionMode
    from pricebench.profiling import Analysis
    from pricebench.workload import Workload


def profile(
    *,
    mode: Annotated[str, typer.Option(help="Execution mode, or all.")] = "all",
    workload: WorkloadOption = HOUSE_PRICES,
    shape: Annotated[str, typer.Option(help="A shape of the workload: full, residual, single.")] = "full",
    training: Annotated[bool, typer.Option("--training", help="A training step instead of a forward pass.")] = False,
    transforms: TransformsOption = "",
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Steps to record; they are held in memory.")] = 20,
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

    from pricebench.devices import device_named
    from pricebench.errors import ModeError
    from pricebench.machine import this_machine
    from pricebench.modes import MODES
    from pricebench.profiling import as_json as to_json
    from pricebench.transforms import mode_with, with_transforms

    device_named(device)
    profiled = _loaded(workload, shape, training=training)
    calibration = profiled.inputs("full") if transforms or "+" in mode else None
    if mode == "all":
        for skipped in (found for found in MODES if found.missing() is not None):
            talk.print(f"skipped {skipped.name}: {skipped.missing()}", markup=False)
        modes: Sequence[ExecutionMode] = [found for found in MODES if found.missing() is None]
    else:
        modes = [mode_with(mode, calibration=calibration)]
    modes = [with_transforms(found, names_in(transforms), calibration=calibration) for found in modes]
    if threads:
        torch.set_num_threads(threads)
    folder = out / this_machine(device).digest
    analyses = {}
    for chosen in modes:
        talk.print(f"profiling {chosen.name} ...", markup=False)
        try:
            analyses[chosen.name] = _profiled(
                chosen, profiled, shape, folder, training=training, steps=steps, device=device
            )
        except ModeError as error:
            # Among all modes, one that cannot take the model is a line; the only one asked for is the end.
            if mode != "all":
                raise
            talk.print(f"skipped {chosen.name}: {error}", markup=False)
    if as_json:
        result.print_json(json.dumps([to_json(analysis) for analysis in analyses.values()]))
    else:
        print_analyses(analyses)
    talk.print(f"wrote {folder}", markup=False)


def _loaded(name: str, shape: str, *, training: bool) -> Workload:
    from pricebench.errors import PricebenchError
    from pricebench.workload import load_workload

    found = load_workload(name)
    for words in found.notes:
        talk.print(f"{found.name}: {words}", markup=False)
    found.sizes(shape)  # raises for a shape that it has not
    if training and not found.has_loss:
        raise PricebenchError(f"{found.name} has no loss, so it cannot be trained. Profile it without --training.")
    return found


def _profiled(
    mode: ExecutionMode, workload: Workload, shape: str, folder: Path, *, training: bool, steps: int, device: str
) -> Analysis:
    import torch

    from pricebench.errors import ModeError
    from pricebench.modes.base import reason_of
    from pricebench.modes.compile import forget
    from pricebench.profiling import ANALYSIS_SUFFIX, TRACE_SUFFIX, Capture, analyse, write_analysis
    from pricebench.profiling.capture import capture

    run = "training" if training else "inference"
    name = f"{_prefix(workload)}{mode.name}_{shape}_{run}"
    trace = folder / f"{name}{TRACE_SUFFIX}"
    # What was compiled for another shape or run would be used here too.
    forget()
    step = _step(mode, workload, shape, training=training, device=device)
    try:
        step()
    # A compiler may raise anything; what eager raises is the model's own.
    except Exception as error:
        if mode.name == "eager":
            raise
        raise ModeError(f"{mode.name} cannot take {workload.name}: {reason_of(error)}. Use another mode.") from error
    capture(step, trace, num_steps=steps, device=device)
    analysis = analyse(
        trace,
        Capture(
            workload=workload.name,
            mode=mode.name,
            shape=shape,
            run=run,
            rows=workload.rows(shape),
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


def _prefix(workload: Workload) -> str:
    """In front of file names, so that two workloads do not overwrite each other; none for house prices."""
    return "" if workload.name == "house_prices" else re.sub(r"[^\w.-]+", "-", workload.name) + "_"


def _step(mode: ExecutionMode, workload: Workload, shape: str, *, training: bool, device: str) -> Callable[[], object]:
    """One forward pass, or one training step on a copy of the model."""
    import copy

    from pricebench.training import TrainStep
    from pricebench.workload.checks import changes_inputs

    inputs = workload.inputs(shape).to(device)
    module = copy.deepcopy(workload.module).to(device)
    # A copy of the inputs is then part of every step, in every mode.
    given = inputs.clone if changes_inputs(workload, shape) else lambda: inputs
    if not training:
        forward = mode.prepare_inference(module, inputs)
        return lambda: given().call(forward)
    targets = workload.on(device).targets(shape)
    step = TrainStep(mode.prepare_training(module, inputs), module, loss=workload.loss_of)
    return lambda: step.on(given(), targets)
