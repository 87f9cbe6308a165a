"""`pricebench recommend`."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pricebench.cli.console import INTERRUPTED, JsonOption, ReportsOption, budget_bar, seconds_of, talk

if TYPE_CHECKING:
    from pricebench.recommend.report import Report
    from pricebench.recommend.run import Request


def recommend(
    *,
    workload: Annotated[
        str,
        typer.Option(metavar="MODULE:FUNCTION", help="Makes the model and an example; path/to/file.py:function too."),
    ] = "pricebench.workload:house_prices",
    goal: Annotated[str, typer.Option("--for", help="latency, throughput, training or startup.")] = "latency",
    sizes: Annotated[
        str, typer.Option(metavar="ROWS:SHARE,...", help="The traffic, such as 1:0.7,8:0.2,64:0.1 (default: by --for).")
    ] = "",
    calls_per_day: Annotated[
        float | None, typer.Option(min=0, help="Calls, or training steps, of all processes (default: a million).")
    ] = None,
    restarts_per_day: Annotated[float | None, typer.Option(min=0, help="Processes that start (default: 10).")] = None,
    cache: Annotated[str, typer.Option(help="cold: a fresh process finds no compiled code; warm: it does.")] = "cold",
    no_python: Annotated[bool, typer.Option("--no-python", help="There is no Python where it runs.")] = False,
    no_compiler: Annotated[bool, typer.Option("--no-compiler", help="There is no compiler where it runs.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Intra-op threads of every process.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    budget: Annotated[str, typer.Option(metavar="TIME", help="For all of it, such as 300s or 10m.")] = "5m",
    blocks: Annotated[
        int | None, typer.Option(min=5, help="Measure exactly so many blocks, whatever is decided before.")
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Show a stored recommendation instead.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print GitHub Markdown.")] = False,
    reports: ReportsOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """Which mode should I ship? Measure every mode on every shape, and price them by what you need."""
    from pricebench.recommend.report import Report

    if as_json and markdown:
        raise typer.BadParameter("--json and --markdown both print the result. Choose one.")
    if read:
        report = Report.load(read)
    else:
        from pricebench.recommend.need import Goal, read_sizes
        from pricebench.recommend.run import Request

        _choice("--for", goal, tuple(Goal))
        _choice("--cache", cache, ("cold", "warm"))
        _choice("--device", device, ("cpu", "cuda"))
        request = Request(
            workload=workload,
            goal=Goal(goal),
            sizes=read_sizes(sizes) if sizes else (),
            calls_per_day=calls_per_day,
            restarts_per_day=restarts_per_day,
            cache=cache,
            no_python=no_python,
            no_compiler=no_compiler,
            threads=threads,
            device=device,
            budget=seconds_of("--budget", budget) or float("inf"),
            num_blocks=blocks,
            seed=secrets.randbelow(2**31),
        )
        report = _measured(request, reports)
    _show(report, markdown=markdown, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _choice(option: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise typer.BadParameter(f"{option} is '{found}', expected {', '.join(known[:-1])} or {known[-1]}.")


def _measured(request: Request, reports: Path) -> Report:
    from pricebench.recommend.run import recommend as run

    try:
        with budget_bar(_state) as (say, show):
            report = run(request, say=say, show=show)
    except KeyboardInterrupt:
        talk.print("interrupted: nothing was recommended, nothing is left behind")
        raise typer.Exit(INTERRUPTED) from None
    name = f"{report.workload}-{report.fingerprint}-{secrets.token_hex(2)}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path = reports / "recommendations" / name.replace("/", "-")
    report.save(path)
    talk.print(f"wrote {path}", markup=False)
    return report


def _show(report: Report, *, markdown: bool, as_json: bool) -> None:
    from rich.console import Console

    from pricebench.cli.tables import Grid, as_markdown, code, print_grid, printable
    from pricebench.recommend.table import sections, sentences

    if as_json:
        typer.echo(json.dumps(report.to_json()))
        return
    grids = [
        Grid(titles=each.header, rows=each.rows, words=frozenset({"mode", "needs"}), caption=each.title)
        for each in sections(report)
    ]
    if markdown:
        typer.echo(f"**{code(report.sentence)}**\n")
        for grid in grids:
            typer.echo(as_markdown(grid))
        for words in sentences(report):
            typer.echo(f"- {code(words)}")
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(printable(report.sentence), style="bold", markup=False)
    console.print()
    for grid in grids:
        print_grid(grid)
    for words in sentences(report):
        console.print(printable(words), markup=False)


def _state(progress: Any) -> tuple[float, float, str]:
    return progress.expected, progress.spent, progress.words
