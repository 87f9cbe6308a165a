"""`pricebench predict`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pricebench.cli.console import (
    ArtifactsOption,
    DeviceOption,
    ExportedOption,
    JsonOption,
    TransformsOption,
    names_in,
    result,
    talk,
)
from pricebench.cli.predict_bulk import is_bulk, predict_bulk, tell_exceptions
from pricebench.scaling import Engine
from pricebench.units import format_dollars

if TYPE_CHECKING:
    from pricebench.serving import Predictor


def predict(
    *,
    houses: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CSV]...",
            help="Price every row of a file, of many files, of a folder or URL, instead of one house.",
        ),
    ] = None,
    income: Annotated[float | None, typer.Option(help="USD a year.")] = None,
    house_age: Annotated[float | None, typer.Option(help="Years.")] = None,
    rooms: Annotated[float | None, typer.Option(help="Rooms per house.")] = None,
    bedrooms: Annotated[float | None, typer.Option(help="Bedrooms per house.")] = None,
    population: Annotated[float | None, typer.Option(help="People in the area.")] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    mode: Annotated[str | None, typer.Option(help="Execution mode (default: eager, or that of the file).")] = None,
    exported: ExportedOption = None,
    device: DeviceOption = "cpu",
    transforms: TransformsOption = "",
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR|URL", help="Where priced rows go (default: stdout); many files: a folder or URL."
        ),
    ] = None,
    bad_rows: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="List bad rows there and price the others, instead of stopping at the first."
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Who prices many files: this process, or a Ray cluster.")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of the cluster (default: one of this machine, for --engine ray)."),
    ] = None,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Do what is left of a job that ended early.")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Intra-op threads (default: all cores; many files: 1 a process).")
    ] = None,
    shard_rows: Annotated[
        int, typer.Option(min=1, help="Many files: cut Parquet so that no part has more rows, where it can be cut.")
    ] = 1_000_000,
    as_json: JsonOption = False,
) -> None:
    """Price one house, or every row of a CSV (written as CSV with a predicted_price column), or of many files."""
    house = {
        "income": income,
        "house_age": house_age,
        "rooms": rooms,
        "bedrooms": bedrooms,
        "population": population,
    }
    given = [name for name, value in house.items() if value is not None]
    if houses and given:
        raise typer.BadParameter(f"give a CSV or a house, not both (found {houses[0]} and --{_flag(given[0])}).")
    if houses and is_bulk(houses, out, engine, address, is_resumed=is_resumed):
        predict_bulk(
            houses,
            out,
            artifacts=artifacts,
            mode=mode,
            exported=exported,
            device=device,
            transforms=names_in(transforms),
            bad_rows=bad_rows,
            engine=engine,
            address=address,
            is_resumed=is_resumed,
            threads=threads or 1,
            shard_rows=shard_rows,
        )
        return

    def load() -> Predictor:
        import torch

        from pricebench.serving import Predictor

        if threads is not None:
            torch.set_num_threads(threads)

        predictor = Predictor.load(
            artifacts, mode=mode, exported=exported, device=device, transforms=names_in(transforms)
        )
        for words in predictor.transformations:
            talk.print(words, markup=False)
        return predictor

    if houses:
        _predict_file(Path(houses[0]), load, None if out is None else Path(out), bad_rows)
        return
    missing = [f"--{_flag(name)}" for name in house if name not in given]
    if missing:
        raise typer.BadParameter(f"give a CSV, or all five features; missing: {', '.join(missing)}.")
    _predict_house({name: value for name, value in house.items() if value is not None}, load, as_json=as_json)


def _predict_house(house: dict[str, float], load: Callable[[], Predictor], *, as_json: bool) -> None:
    import numpy as np

    from pricebench.data import FEATURES, QUANTITIES

    values = np.array([house[name] for name in FEATURES])
    for quantity, value in zip(QUANTITIES, values, strict=False):
        if not np.isfinite(value) or quantity.first_wrong(np.array([value])) is not None:
            raise typer.BadParameter(f"--{_flag(quantity.name)} is {value:g}, expected {quantity.expectation}.")
    predictor = load()
    price = float(predictor.predict(values[None, :])[0])
    warnings = predictor.warnings_for(values)
    if as_json:
        result.print_json(json.dumps({"price": price, "warnings": warnings}))
    else:
        result.print(format_dollars(price))
        for warning in warnings:
            talk.print(f"warning: {warning}", markup=False)


def _predict_file(houses: Path, load: Callable[[], Predictor], out: Path | None, bad_rows: str | None) -> None:
    from contextlib import ExitStack

    from pricebench.files import atomic_write
    from pricebench.serving import price_file

    predictor = load()
    with ExitStack() as files:
        lines = None if bad_rows is None else files.enter_context(atomic_write(Path(bad_rows)))
        if out is None:
            try:
                report = price_file(predictor, houses, sys.stdout.buffer, bad_rows=lines)
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                # Whoever reads has seen enough, as in `| head`: no error, but nothing more can be flushed either.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
        else:
            sink = files.enter_context(atomic_write(out))
            report = price_file(predictor, houses, sink, bad_rows=lines)
    talk.print(f"{report.num_rows:,} rows priced")
    tell_exceptions(missing=report.num_missing, unfamiliar=report.num_unfamiliar, bad=report.num_bad, bad_rows=bad_rows)


def _flag(name: str) -> str:
    return name.replace("_", "-")
