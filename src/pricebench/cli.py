"""The command line: parse, call one function, print what it returns.

The result goes to stdout, talk and progress to stderr. Heavy imports live inside the commands: `--help` is instant.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pricebench.errors import PricebenchError
from pricebench.units import format_dollars, format_rate

INTERRUPTED = 130  # what every shell gives a program that Ctrl-C ended

app = typer.Typer(
    name="pricebench",
    help="Which PyTorch execution mode should I ship? A house price model and the laboratory that measures it.",
    epilog="Exit codes: 0 fine, 1 a regression, 2 bad input or environment, 3 inconclusive, 4 broken, 130 Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
talk = Console(stderr=True, soft_wrap=True, highlight=False)
result = Console(soft_wrap=True, highlight=False)

ArtifactsOption = Annotated[Path, typer.Option("--artifacts", metavar="DIR", help="Folder that train wrote.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a known error becomes one line and its exit code.

    Args:
        arguments: Without the program's name; by default those of the process.
    """
    try:
        app(arguments, prog_name="pricebench")
    except PricebenchError as error:
        talk.print(f"pricebench: {error}", markup=False)
        sys.exit(error.exit_code)


@app.command()
def train(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV or Parquet; without it the embedded default data.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the model, its statistics and metrics go.")] = Path(
        "artifacts"
    ),
    mode: Annotated[str, typer.Option(help="Execution mode of the training steps.")] = "eager",
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
    """Train the model and score it on held-out rows beside a linear regression. Ctrl-C keeps the best so far."""
    import torch

    from pricebench.artifacts import CHECKPOINT_FILE, save_metrics
    from pricebench.data import load_dataset, make_houses
    from pricebench.training import TrainingConfig
    from pricebench.training import train as run_training

    with _usage_errors():
        config = TrainingConfig(
            mode=mode, seed=seed, test_size=test_size, split_seed=split_seed, epochs=epochs, drop_last=not keep_last
        )
    if threads:
        torch.set_num_threads(threads)
    dataset = load_dataset(data) if data else make_houses()
    talk.print(f"{dataset.name}: {dataset.num_rows:,} rows ({dataset.header} header)", markup=False)
    if dataset.num_dropped:
        talk.print(f"{dataset.num_dropped:,} rows dropped: a value is missing")
    with _progress_bar() as progress, _first_interrupt() as is_interrupted:
        trained = run_training(
            dataset,
            config,
            checkpoint=out / CHECKPOINT_FILE,
            resume=resume,
            progress=progress,
            should_stop=is_interrupted,
        )
    trained.artifacts.save(out)
    save_metrics(out, trained.metrics)
    if as_json:
        result.print_json(json.dumps(trained.metrics))
    else:
        _print_metrics(trained.metrics)
    if trained.is_interrupted:
        talk.print(f"interrupted: {out} holds the best so far; continue with the same command and --resume")
        raise typer.Exit(INTERRUPTED)
    talk.print(f"wrote {out}", markup=False)


@app.command()
def predict(
    *,
    houses: Annotated[
        Path | None, typer.Argument(metavar="[CSV]", help="Price every row of a file instead of one house.")
    ] = None,
    income: Annotated[float | None, typer.Option(help="USD a year.")] = None,
    house_age: Annotated[float | None, typer.Option(help="Years.")] = None,
    rooms: Annotated[float | None, typer.Option(help="Rooms per house.")] = None,
    bedrooms: Annotated[float | None, typer.Option(help="Bedrooms per house.")] = None,
    population: Annotated[float | None, typer.Option(help="People in the area.")] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    mode: Annotated[str, typer.Option(help="Execution mode.")] = "eager",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where priced rows go (default: stdout).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Price one house from its features, or every row of a CSV (written as CSV with a predicted_price column)."""
    house = {
        "income": income,
        "house_age": house_age,
        "rooms": rooms,
        "bedrooms": bedrooms,
        "population": population,
    }
    given = [name for name, value in house.items() if value is not None]
    if houses and given:
        raise typer.BadParameter(f"give a CSV or a house, not both (found {houses.name} and --{_flag(given[0])}).")
    if houses:
        _predict_file(houses, artifacts, mode, out)
        return
    missing = [f"--{_flag(name)}" for name in house if name not in given]
    if missing:
        raise typer.BadParameter(f"give a CSV, or all five features; missing: {', '.join(missing)}.")
    _predict_house(
        {name: value for name, value in house.items() if value is not None}, artifacts, mode, as_json=as_json
    )


def _predict_house(house: dict[str, float], artifacts: Path, mode: str, *, as_json: bool) -> None:
    import numpy as np

    from pricebench.data import FEATURES, QUANTITIES
    from pricebench.serving import Predictor

    values = np.array([house[name] for name in FEATURES])
    for quantity, value in zip(QUANTITIES, values, strict=False):
        if not np.isfinite(value) or quantity.first_wrong(np.array([value])) is not None:
            raise typer.BadParameter(f"--{_flag(quantity.name)} is {value:g}, expected {quantity.expectation}.")
    predictor = Predictor.load(artifacts, mode=mode)
    price = float(predictor.predict(values[None, :])[0])
    warnings = predictor.warnings_for(values)
    if as_json:
        result.print_json(json.dumps({"price": price, "warnings": warnings}))
    else:
        result.print(format_dollars(price))
        for warning in warnings:
            talk.print(f"warning: {warning}", markup=False)


def _predict_file(houses: Path, artifacts: Path, mode: str, out: Path | None) -> None:
    from pricebench.files import atomic_write
    from pricebench.serving import FAMILIAR_SD, Predictor, price_file

    predictor = Predictor.load(artifacts, mode=mode)
    if out is None:
        try:
            report = price_file(predictor, houses, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Whoever reads has seen enough, as in `| head`: no error, but nothing more can be flushed either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
    else:
        with atomic_write(out) as sink:
            report = price_file(predictor, houses, sink)
    talk.print(f"{report.num_rows:,} rows priced")
    if report.num_missing:
        talk.print(f"{report.num_missing:,} of them without a price: a value is missing")
    if report.num_unfamiliar:
        talk.print(
            f"warning: {report.num_unfamiliar:,} have a value more than {FAMILIAR_SD:g} standard deviations from the "
            "training mean; their prices are extrapolations"
        )


@app.command()
def modes(
    *,
    show: Annotated[
        str | None, typer.Option(metavar="MODE", help="Print the code that a mode made of the model instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the execution modes: what each does and needs, and why one cannot run here."""
    from pricebench.modes import MODES, mode_named

    if show:
        import torch

        from pricebench.errors import ModeError
        from pricebench.model import MLP

        mode = mode_named(show)
        if mode.code is None:
            raise ModeError(f"Mode {show} makes no source to show. Try: torchscript, fx.")
        result.print(mode.code(MLP().eval(), torch.zeros(1, MLP().config.num_features)), markup=False)
        return
    rows = [
        {
            "mode": mode.name,
            "runs here": mode.missing() is None,
            "reason": mode.missing(),
            "does": mode.summary,
            "needs": mode.needs,
            "deprecation": mode.deprecation,
        }
        for mode in MODES
    ]
    if as_json:
        result.print_json(json.dumps(rows))
        return
    table = Table("mode", "runs here", "what it does", "needs", "notice")
    for row in rows:
        table.add_row(
            str(row["mode"]),
            "yes" if row["runs here"] else f"no: {row['reason']}",
            str(row["does"]),
            str(row["needs"]),
            str(row["deprecation"] or ""),
        )
    Console().print(table)


@app.command()
def export(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    mode: Annotated[str, typer.Option(help="Whose portable artifact: torchscript.")] = "torchscript",
    artifacts: ArtifactsOption = Path("artifacts"),
) -> None:
    """Write the trained model, raw features to dollars, as a file that a program without Python loads."""
    from pricebench.artifacts import Artifacts
    from pricebench.serving import export as write_export

    write_export(Artifacts.load(artifacts), out, mode=mode)
    talk.print(f"wrote {out}", markup=False)


def _flag(name: str) -> str:
    return name.replace("_", "-")


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
        f"{metrics['seconds']:.1f} s, {format_rate(metrics['rows_per_second'] or 0.0)[:-2]} rows/s"
    )
