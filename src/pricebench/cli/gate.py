"""`pricebench gate`, and `pricebench gate merge`."""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pricebench.cli.console import INTERRUPTED, JsonOption, ReportsOption, budget_bar, seconds_of, talk

if TYPE_CHECKING:
    from pricebench.gate.driver import Request
    from pricebench.gate.plan import Plan
    from pricebench.gate.report import Report
    from pricebench.gate.settings import Settings

JUnitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print GitHub Markdown, for a comment.")]


def gate(
    suite: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- SUITE]", help="Files and folders (default: the project's `suite` with its `select`)."
        ),
    ] = None,
    *,
    base: Annotated[
        str | None,
        typer.Option(metavar="REF", help="What to compare with: the commit that a branch, tag or hash names."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="REF", help="What to judge (default: the checkout as it lies here).")
    ] = None,
    select: Annotated[str | None, typer.Option("-k", metavar="EXPRESSION", help="pytest's: which benchmarks.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="For the whole run, preparation too, such as 300s (default: the project's, or 5m)."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of every process, which is given as many cores.")] = 1,
    python: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Python that the suite runs in, without pricebench (default: this one)."),
    ] = None,
    base_python: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Python of an environment for base (default: head's).")
    ] = None,
    processes: Annotated[
        str,
        typer.Option(
            metavar="fork|spawn", help="fork: imports are shared, on Linux; spawn: each imports for itself, noisier."
        ),
    ] = "fork",
    shard: Annotated[
        str | None,
        typer.Option(metavar="NUMBER/COUNT", help="Measure one part of the benchmarks, such as 2/8; see gate merge."),
    ] = None,
    shards: Annotated[
        int, typer.Option(metavar="COUNT", min=0, help="Measure nothing, and write the --plan for so many shards.")
    ] = 0,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who measures what: written with --shards, read with --shard."),
    ] = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = False,
    update_structure: Annotated[
        bool, typer.Option("--update-structure", help="Only write the structure file anew from this checkout.")
    ] = False,
    read: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Show a stored report instead of measuring.")
    ] = None,
    reports: ReportsOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """May this change be merged? Measure head against base in paired processes, and judge with known error rates."""
    from pricebench.gate.report import Report

    _refuse_two_results(markdown=markdown, as_json=as_json)
    number, count = _shard(shard)
    if shards and (shard or not plan):
        raise typer.BadParameter("--shards writes a --plan FILE, and goes without --shard. Name the file.")
    if plan and not (shard or shards):
        raise typer.BadParameter("--plan goes with --shards COUNT, which writes it, or --shard, which follows it.")
    if update_structure:
        _update_structure()
        return
    if read:
        report = Report.load(read)
    elif base is None:
        raise typer.BadParameter("--base is missing, expected a git ref such as origin/main.")
    elif processes not in ("fork", "spawn"):
        raise typer.BadParameter(f"--processes is '{processes}', expected fork or spawn.")
    else:
        from pricebench.gate.plan import Plan

        request, settings = _request(
            base=base,
            head=head,
            suite=tuple(suite or ()),
            select=select,
            threads=threads,
            python=_environment("--python", python),
            base_python=_environment("--base-python", base_python),
            can_share=processes == "fork",
            num_shards=shards or count,
            shard=number,
            plan=Plan.load(plan) if plan and shard else None,
        )
        if shards and plan:
            _plan(request, settings, plan)
            return
        report, path = _measure(request, settings, reports, budget)
        talk.print(f"wrote {path}", markup=False)
    _tell(report, junit=junit, markdown=markdown, as_json=as_json)


def merge(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Reports of all shards of one run.")],
    *,
    junit: JUnitOption = None,
    markdown: MarkdownOption = False,
    reports: ReportsOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """One verdict of all shards of a gate run, with the error rates and exit codes of one run."""
    from pricebench.gate.merge import merge as merged

    _refuse_two_results(markdown=markdown, as_json=as_json)
    report = merged(files)
    path = _path(reports, report, datetime.now(UTC))
    report.save(path)
    talk.print(f"wrote {path}", markup=False)
    _tell(report, junit=junit, markdown=markdown, as_json=as_json)


def _refuse_two_results(*, markdown: bool, as_json: bool) -> None:
    if as_json and markdown:
        raise typer.BadParameter("--json and --markdown both print the result. Choose one.")


def _shard(text: str | None) -> tuple[int, int]:
    """Number and count; zeros where nothing was said."""
    if text is None:
        return 0, 0
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise typer.BadParameter(f"--shard is '{text}', expected NUMBER/COUNT from 1/COUNT on, such as 2/8.")
    return int(number), int(count)


def _request(
    *,
    base: str,
    head: str | None,
    suite: tuple[str, ...],
    select: str | None,
    threads: int,
    python: Path | None,
    base_python: Path | None,
    can_share: bool,
    num_shards: int,
    shard: int,
    plan: Plan | None,
) -> tuple[Request, Settings]:
    from pricebench.gate.driver import Request
    from pricebench.gate.records import GateError
    from pricebench.gate.settings import Settings
    from pricebench.gate.trees import repository

    if os.name != "posix":
        raise GateError(f"the gate runs on Linux and macOS; this is {os.name}. Run it there.")
    root = repository(Path.cwd())
    settings = Settings.load(root)
    chosen, expression = settings.chosen(tuple(_below(root, path) for path in suite), select)
    request = Request(
        root=root,
        base=base,
        head=head,
        suite=chosen,
        select=expression,
        accepted=settings.accepted,
        carry=settings.carry,
        threads=threads,
        python=python,
        base_python=base_python,
        can_share=can_share,
        seed=secrets.randbelow(2**31),
        num_shards=num_shards,
        shard=shard,
        plan=plan,
    )
    return request, settings


def _plan(request: Request, settings: Settings, path: Path) -> None:
    from pricebench.gate.sharding import plan_shards

    try:
        planned = plan_shards(request, settings, say=lambda words: talk.print(words, markup=False))
    except KeyboardInterrupt:
        talk.print("interrupted: nothing was planned, nothing is left behind")
        raise typer.Exit(INTERRUPTED) from None
    planned.save(path)
    loads = planned.loads
    talk.print(
        f"wrote {path}: {len(planned.costs)} benchmarks in {len(loads)} shards, "
        f"{min(loads):.2f} to {max(loads):.2f} s a block and arm",
        markup=False,
    )


def _measure(request: Request, settings: Settings, reports: Path, budget: str | None) -> tuple[Report, Path]:
    from pricebench.gate.run import run_gate

    limit = (seconds_of("--budget", budget) or float("inf")) if budget else settings.budget
    now = datetime.now(UTC)
    try:
        with budget_bar(_state) as (say, show):
            report = run_gate(request, settings, budget=limit, today=now.date(), say=say, show=show)
    except KeyboardInterrupt:
        talk.print("interrupted: nothing was judged, nothing is left behind")
        raise typer.Exit(INTERRUPTED) from None
    path = _path(reports, report, now)
    report.save(path)
    return report, path


def _path(reports: Path, report: Report, now: datetime) -> Path:
    return reports / "gate" / f"{report.fingerprint}-{secrets.token_hex(2)}_{now:%Y%m%dT%H%M%SZ}.json"


def _environment(option: str, python: Path | None) -> Path | None:
    """A Python that was named, as an absolute path."""
    from pricebench.gate.records import GateError

    if python is not None and not (python.is_file() and os.access(python, os.X_OK)):
        raise GateError(f"{option} is {python}, expected the Python of an environment. Name its file.")
    # Not resolved: what makes it an environment's Python is where the link lies.
    return python and python.absolute()


def _below(root: Path, path: str) -> str:
    """A path as it was typed here, from the root of the checkout: that is where pytest is started."""
    from pricebench.gate.records import GateError

    file, separator, test = path.partition("::")
    typed = Path(os.path.normpath(Path.cwd() / file))
    if not typed.is_relative_to(root):
        raise GateError(f"{path} is outside of the checkout {root}. Name files and folders in it.")
    return f"{typed.relative_to(root)}{separator}{test}" if typed.exists() else path


def _update_structure() -> None:
    from pricebench.gate.records import GateError
    from pricebench.gate.reviewed import save_structure
    from pricebench.gate.run import find_structure
    from pricebench.gate.settings import Settings
    from pricebench.gate.trees import repository
    from pricebench.paired.workspace import Workspace

    root = repository(Path.cwd())
    settings = Settings.load(root)
    if not (settings.structure and settings.workload):
        raise GateError(
            "[tool.pricebench.gate] of pyproject.toml names no `structure` file or no `workload`. Name both."
        )
    with Workspace() as workspace:
        found = find_structure(workspace, root, settings.workload)
    if missing := {facts["missing"] for facts in found["cases"].values() if "missing" in facts}:
        raise GateError(f"not all modes can run here: {'; '.join(sorted(missing))}. Write the facts where they can.")
    save_structure(root / settings.structure, found)
    talk.print(f"wrote {settings.structure}: have the diff reviewed", markup=False)


def _tell(report: Report, *, junit: Path | None, markdown: bool, as_json: bool) -> None:
    """Write and print what was asked for, and end with the report's exit code."""
    if junit:
        _write_junit(report, junit)
    _show(report, markdown=markdown, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _write_junit(report: Report, path: Path) -> None:
    from pricebench.gate.junit import write_junit
    from pricebench.gate.table import line

    write_junit(report, path, {finding.benchmark: line(finding) for finding in report.findings})
    talk.print(f"wrote {path}", markup=False)


def _show(report: Report, *, markdown: bool, as_json: bool) -> None:
    from rich.console import Console

    from pricebench.cli.tables import Grid, as_markdown, code, print_grid, printable
    from pricebench.gate.table import TITLES, WORDS, row, sentences, workflow_commands

    grid = Grid(titles=TITLES, rows=[row(finding) for finding in report.findings], words=WORDS)
    told = sentences(report)
    text = "\n".join(
        # As code: names and reasons come from anybody's suite, and may hold markup and links.
        [f"**{code(report.sentence)}**\n", as_markdown(grid), *(f"- {code(words)}" for words in told), ""]
    )
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    elif markdown:
        typer.echo(text)
    else:
        print_grid(grid)
        console = Console(highlight=False, soft_wrap=True)
        for words in told:
            console.print(printable(words), markup=False)
        console.print()
        console.print(printable(report.sentence), style="bold", markup=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # GitHub reads them from either stream; stdout is the result.
        for command in workflow_commands(report):
            typer.echo(command, err=True)


def _state(progress: Any) -> tuple[float, float, str]:
    decided = progress.num_benchmarks - progress.num_open
    words = f"block {progress.num_blocks}: {decided} of {progress.num_benchmarks} benchmarks decided"
    return progress.num_benchmarks, decided, words
