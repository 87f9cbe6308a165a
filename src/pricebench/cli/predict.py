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
from pricebench.units import format_dollars

if TYPE_CHECKING:
    from pricebench.serving import Predictor


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
    mode: Annotated[str | None, typer.Option(help="Execution mode (default: eager, or that of the file).")] = None,
    exported: ExportedOption = None,
    device: DeviceOption = "cpu",
    transforms: TransformsOption = "",
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

    def load() -> Predictor:
        from pricebench.serving import Predictor

        predictor = Predictor.load(
            artifacts, mode=mode, exported=exported, device=device, transforms=names_in(transforms)
        )
        for words in predictor.transformations:
            talk.print(words, markup=False)
        return predictor

    if houses:
        _predict_file(houses, load, out)
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


def _predict_file(houses: Path, load: Callable[[], Predictor], out: Path | None) -> None:
    from pricebench.files import atomic_write
    from pricebench.serving import FAMILIAR_SD, price_file

    predictor = load()
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


def _flag(name: str) -> str:
    return name.replace("_", "-")
