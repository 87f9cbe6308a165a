"""`pricebench train`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pricebench.cli.console import INTERRUPTED, DeviceOption, JsonOption, result, talk
from pricebench.units import format_dollars, format_rate

if TYPE_CHECKING:
    from pricebench.training import Ranks, TrainingConfig, TrainingResult


def train(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV or Parquet; without it the embedded default data.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the model, its statistics and metrics go.")] = Path(
        "artifacts"
    ),
    mode: Annotated[str, typer.Option(help="Execution mode of the training steps.")] = "eager",
    device: DeviceOption = "cpu",
    matmul: Annotated[
        str,
        typer.Option(
            help="What multiplies: auto (the fastest, by the CPU), torch, onednn, tf32, or mixed precision, bfloat16."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of weights, validation split and batch order.")] = 0,
    test_size: Annotated[float, typer.Option(help="Held-out share of the rows.")] = 0.2,
    split_seed: Annotated[int, typer.Option(help="Of the held-out split: scikit-learn's random_state.")] = 42,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows (default: enough steps).")] = None,
    keep_last: Annotated[
        bool, typer.Option("--keep-last", help="Keep the residual batch of each epoch, and see the cliff.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Intra-op threads (default: torch's own).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the model and score it on held-out rows beside a linear regression. Ctrl-C keeps the best so far.

    torchrun --standalone --nproc-per-node N -m pricebench train ... trains in N processes; docs/scaling.md.
    """
    import torch

    from pricebench.training import TrainingConfig, joined

    with _usage_errors():
        config = TrainingConfig(
            mode=mode,
            device=device,
            matmul=matmul,
            seed=seed,
            test_size=test_size,
            split_seed=split_seed,
            epochs=epochs,
            drop_last=not keep_last,
        )
    if threads:
        torch.set_num_threads(threads)
    with joined() as ranks:
        # One of them talks; an error of another reaches it.
        talk.quiet = result.quiet = not ranks.is_leader
        trained = _train(data, config, out, ranks, resume=resume)
        if ranks.is_leader:
            _leave(trained, out, as_json=as_json)
        if trained.is_interrupted:
            raise typer.Exit(INTERRUPTED)


def _train(data: Path | None, config: TrainingConfig, out: Path, ranks: Ranks, *, resume: bool) -> TrainingResult:
    from pricebench.artifacts import CHECKPOINT_FILE
    from pricebench.data import load_dataset, make_houses
    from pricebench.training import train as run_training

    dataset = ranks.together(lambda: load_dataset(data) if data else make_houses())
    talk.print(f"{dataset.name}: {dataset.num_rows:,} rows ({dataset.header} header)", markup=False)
    if dataset.num_dropped:
        talk.print(f"{dataset.num_dropped:,} rows dropped: a value is missing")
    with _progress_bar() as progress, _first_interrupt() as is_interrupted:
        return run_training(
            dataset,
            config,
            checkpoint=out / CHECKPOINT_FILE,
            resume=resume,
            progress=progress,
            should_stop=is_interrupted,
            ranks=ranks,
        )


def _leave(trained: TrainingResult, out: Path, *, as_json: bool) -> None:
    """Write what was trained, and say how good it is."""
    from pricebench.artifacts import save_metrics

    trained.artifacts.save(out)
    save_metrics(out, trained.metrics)
    if as_json:
        result.print_json(json.dumps(trained.metrics))
    else:
        _print_metrics(trained.metrics)
    if trained.is_interrupted:
        talk.print(f"interrupted: {out} holds the best so far; continue with the same command and --resume")
    else:
        talk.print(f"wrote {out}", markup=False)


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def _first_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag, so that a step is never cut in half; the second one ends the program."""
    interrupted = False

    def note(_signal: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: interrupted
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _progress_bar() -> Iterator[Callable[..., None]]:
    """A rich progress bar on stderr, silent where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("validation R² {task.fields[best]}"),
    )
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task("train", total=None, best="-")

        def update(*, step: int, num_steps: int, best_r2: float | None) -> None:
            best = "-" if best_r2 is None else f"{best_r2:.4f}"
            bar.update(task, completed=step, total=num_steps, best=best)

        yield update


def _print_metrics(metrics: dict[str, Any]) -> None:
    table = Table("held-out rows", "R²", "RMSE", "MAE")
    for name, prefix in (("MLP", ""), ("linear regression", "linear_")):
        table.add_row(
            name,
            f"{metrics[f'{prefix}r2']:.4f}",
            format_dollars(metrics[f"{prefix}rmse"]),
            format_dollars(metrics[f"{prefix}mae"]),
        )
    Console().print(table)
    result.print(
        f"{metrics['num_train']:,} training, {metrics['num_validation']:,} validation, {metrics['num_test']:,} "
        f"held-out rows; {metrics['epochs']:,} epochs ({metrics['stopped']}), best at step {metrics['best_step']:,}; "
        f"{metrics['seconds']:.1f} s, {format_rate(metrics['rows_per_second'] or 0.0)[:-2]} rows/s, "
        f"matmul {metrics['matmul']}"
    )
