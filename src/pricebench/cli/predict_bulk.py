"""`pricebench predict` of many files: shards, an engine, a folder of prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pricebench.cli.console import INTERRUPTED, budget_bar, talk
from pricebench.scaling import Engine
from pricebench.units import counted

if TYPE_CHECKING:
    from pricebench.scaling.manifest import Finished, Manifest


def is_bulk(houses: Sequence[str], out: str | None, engine: Engine, address: str | None, *, is_resumed: bool) -> bool:
    """Whether these are many files, or go to a folder, or are to be priced by others."""
    from pricebench.scaling.stores import is_pattern, is_url

    many = len(houses) > 1 or any(is_url(name) or is_pattern(name) or Path(name).is_dir() for name in houses)
    to_folder = out is not None and (is_url(out) or out.endswith("/") or Path(out).is_dir())
    return many or to_folder or engine is not Engine.LOCAL or address is not None or is_resumed


def predict_bulk(
    houses: Sequence[str],
    out: str | None,
    *,
    artifacts: Path,
    exported: Path | None,
    device: str,
    transforms: Sequence[str],
    bad_rows: str | None,
    engine: Engine,
    address: str | None,
    is_resumed: bool,
    **options: Any,
) -> None:
    """Price them, or what is left of them."""
    from pricebench.scaling.stores import absolute

    if out is None:
        raise typer.BadParameter("the prices of many files go to a folder: give --out DIR, or a URL.")
    if Path(out).is_file():
        raise typer.BadParameter(f"--out {out} is a file; the prices of many files go to a folder. Name another.")
    if address is not None and engine is not Engine.RAY:
        raise typer.BadParameter("--address is of a Ray cluster: give --engine ray, too.")
    if device != "cpu":
        raise typer.BadParameter(f"--device {device}: many files are priced on the CPU. Leave it out.")
    try:
        job, is_done = _price(
            houses,
            absolute(out),
            artifacts=artifacts,
            exported=exported,
            transforms=tuple(transforms),
            bad_rows=bad_rows,
            address=address,
            is_on_ray=engine is Engine.RAY,
            is_resumed=is_resumed,
            **options,
        )
    except KeyboardInterrupt:
        talk.print("interrupted: whole files are kept, and --resume does the rest")
        raise typer.Exit(INTERRUPTED) from None
    if is_done:
        talk.print(f"nothing is left to do: {_told(job)} in {out}", markup=False)
        return
    talk.print(f"{_told(job)} in {out}", markup=False)
    tell_exceptions(
        missing=sum(shard.missing for shard in job.finished.values()),
        unfamiliar=sum(shard.unfamiliar for shard in job.finished.values()),
        bad=sum(shard.bad for shard in job.finished.values()),
        bad_rows=bad_rows,
    )


def tell_exceptions(*, missing: int, unfamiliar: int, bad: int, bad_rows: str | None) -> None:
    """Lines about rows that are special."""
    from pricebench.serving import FAMILIAR_SD

    if missing:
        talk.print(f"{missing:,} of them without a price: a value is missing")
    if bad:
        talk.print(f"{bad:,} of them without a price: a value is wrong; {bad_rows} lists them", markup=False)
    if unfamiliar:
        talk.print(
            f"warning: {unfamiliar:,} have a value more than {FAMILIAR_SD:g} standard deviations from the "
            "training mean; their prices are extrapolations"
        )


def _price(
    houses: Sequence[str],
    out: str,
    *,
    artifacts: Path,
    exported: Path | None,
    mode: str | None,
    transforms: tuple[str, ...],
    threads: int,
    shard_rows: int,
    bad_rows: str | None,
    address: str | None,
    is_on_ray: bool,
    is_resumed: bool,
) -> tuple[Manifest, bool]:
    """The job, and whether there was nothing to do."""
    import torch

    from pricebench.artifacts import Artifacts
    from pricebench.scaling.bulk import begin, plan, run
    from pricebench.scaling.engines import here, on_ray
    from pricebench.scaling.manifest import Options
    from pricebench.scaling.pricing import Pricing

    model = Artifacts.load(artifacts).stats.model_digest
    pricing = Pricing(
        model=Pricing.files_of(artifacts),
        exported=None if exported is None else exported.read_bytes(),
        mode=mode,
        transforms=transforms,
        threads=threads,
        keeps_bad_rows=bad_rows is not None,
        out=out,
    )
    # What is wrong with the mode is said here, also where others price.
    predictor = pricing.predictor()
    job = plan(
        houses,
        Options(
            model=model,
            mode=predictor.mode.name,
            transforms=transforms,
            threads=threads,
            shard_rows=shard_rows,
            keeps_bad_rows=bad_rows is not None,
            torch=str(torch.__version__),
        ),
    )
    job = begin(job, out, is_resumed=is_resumed)
    if job.is_complete:
        return job, True
    for words in predictor.transformations:
        talk.print(words, markup=False)
    engine = on_ray(pricing, address) if is_on_ray else here(pricing, predictor)
    with budget_bar(_state) as (say, show):
        say(f"{counted(len(job.shards) - len(job.finished), 'shard')} to price")
        return run(job, out, engine, bad_rows=bad_rows, show=_summed(job, show)), False


def _summed(job: Manifest, show: Callable[[Any], None]) -> Callable[[Finished], None]:
    """What is told about one shard becomes what the bar shows about all."""
    done = [len(job.finished), sum(shard.rows for shard in job.finished.values())]

    def told(shard: Finished) -> None:
        done[0] += 1
        done[1] += shard.rows
        show((len(job.shards), *done))

    return told


def _state(progress: tuple[int, int, int]) -> tuple[float, float, str]:
    total, done, rows = progress
    return total, done, f"{done:,} of {total:,} shards, {rows:,} rows"


def _told(job: Manifest) -> str:
    rows = sum(shard.rows for shard in job.finished.values())
    return f"{counted(rows, 'row')} priced, {counted(len(job.shards), 'file')}"
