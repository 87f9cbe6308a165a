"""`pricebench cliff`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pricebench.cli.console import INTERRUPTED, JsonOption, ReportsOption, seconds_of, talk
from pricebench.cli.tables import print_sections


def cliff(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Counts only: which graph served which call; compiles nothing.")
    ] = False,
    arms: Annotated[
        list[str] | None, typer.Option("--arm", metavar="NAME", help="Only this arm, and eager (may be repeated).")
    ] = None,
    kind: Annotated[str, typer.Option(help="inference, training or both.")] = "both",
    workload: Annotated[
        str, typer.Option(metavar="NAME", help="Your model: module:function or path/to/file.py:function.")
    ] = "pricebench.workload:house_prices",
    residual_rows: Annotated[
        int | None, typer.Option(min=4, help="Rows of the last batch of an epoch (default: the workload's residual).")
    ] = None,
    full_batches: Annotated[int, typer.Option(min=1, help="Full batches of an epoch, for what an epoch costs.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Intra-op threads (default: all cores).")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    processes: Annotated[int, typer.Option(min=1, help="Processes per arm; each gives one event per stall.")] = 5,
    budget: Annotated[str, typer.Option(help="When to stop, such as 9m; 0 for all repetitions of all arms.")] = "9m",
    read: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Show a stored report instead of measuring.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add to this report what it lacks, such as more processes.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    reports: ReportsOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """Measure what a residual batch costs each way to run a model, and which remedy removes it."""
    from pricebench.cliff.records import Report

    if read:
        _show(Report.load(read), full_batches, markdown=markdown, as_json=as_json)
        return
    plan = _plan(
        counts_only=quick,
        arms=arms,
        kind=kind,
        workload=workload,
        residual_rows=residual_rows,
        threads=threads,
        device=device,
        processes=processes,
        budget=seconds_of("--budget", budget),
    )
    report, path, is_interrupted = _measure(plan, reports / "cliff", resume)
    _show(report, full_batches, markdown=markdown, as_json=as_json)
    talk.print(f"wrote {path}", markup=False)
    if is_interrupted:
        talk.print("interrupted: the report holds what was measured so far")
        raise typer.Exit(INTERRUPTED)


def _plan(
    *, arms: list[str] | None, kind: str, processes: int, budget: float | None, threads: int | None, **setting: Any
) -> Any:
    from pricebench.cliff.arms import ARMS, arm_named
    from pricebench.cliff.launcher import Setting
    from pricebench.cliff.runner import Plan
    from pricebench.cliff.schedule import Kind
    from pricebench.devices import device_named

    device_named(setting["device"])
    if kind not in (*Kind, "both"):
        raise typer.BadParameter(f"--kind is '{kind}', expected inference, training or both.")
    if ":" not in setting["workload"]:
        raise typer.BadParameter(
            f"--workload is '{setting['workload']}', expected module:function or path/to/file.py:function."
        )
    if threads:
        setting["threads"] = threads
    chosen = {arm_named(name).name for name in arms} | {"eager"} if arms else {arm.name for arm in ARMS}
    return Plan(
        setting=Setting(**setting),
        arms=[arm for arm in ARMS if arm.name in chosen],
        kinds=tuple(Kind) if kind == "both" else (Kind(kind),),
        num_processes=processes,
        budget=budget,
    )


def _measure(plan: Any, folder: Path, resume: Path | None) -> tuple[Any, Path, bool]:
    """The report, its file, and whether Ctrl-C ended it."""
    from pricebench.cliff.records import Report
    from pricebench.cliff.runner import measure

    latest: dict[str, Any] = {}
    begun = Report.load(resume) if resume else None

    def keep(report: Any) -> None:
        if not latest:
            latest["path"] = resume or _new_file(folder, report)
            for words in report.conditions.get("notes", ()):  # a report that is resumed may be an old one
                talk.print(f"{report.conditions['workload']}: {words}", markup=False)
        latest["report"] = report
        report.save(latest["path"])

    with _progress_bar() as progress:
        try:
            measure(plan, on_change=keep, progress=progress, begun=begun)
        except KeyboardInterrupt:
            if not latest:
                raise typer.Exit(INTERRUPTED) from None
            return latest["report"], latest["path"], True
    return latest["report"], latest["path"], False


def _new_file(folder: Path, report: Any) -> Path:
    """A name that no other run has, even one that started in the same second."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = re.sub(r"[-:]", "", report.started).replace("+0000", "Z")
    for number in range(1000):
        path = folder / f"{report.fingerprint}{f'-{number}' if number else ''}_{moment}.json"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise AssertionError("a thousand runs in a second")


def _show(report: Any, full_batches: int, *, markdown: bool, as_json: bool) -> None:
    from pricebench.cliff.table import conditions, sections

    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(report)))
        return
    print_sections(sections(report, full_batches), conditions(report), markdown=markdown)


@contextmanager
def _progress_bar() -> Iterator[Callable[..., None]]:
    """The share of the expected time, by what cells of the same arm took; silent where stderr is no terminal."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task("imports and toolchain", total=1.0)

        def update(planned: Any, share: float) -> None:
            words = f"{planned.arm.name}, {planned.kind}, {planned.cache} cache, process {planned.process + 1}"
            bar.update(task, completed=share, description=words)

        yield update
