"""`pricebench history list | show | compare | changes`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pricebench.cli.console import FromOption, JsonOption, ReportsOption, result, talk

if TYPE_CHECKING:
    from pricebench.cli.tables import Grid
    from pricebench.history import Change, Compared, Comparison, History, Run

app = typer.Typer(no_args_is_help=True, help="What the stored runs say: list them, show one, compare two, find steps.")

MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print GitHub Markdown, for a pull request.")]
FingerprintOption = Annotated[str | None, typer.Option(help="Only runs of this fingerprint.")]
BranchOption = Annotated[str | None, typer.Option(help="Only runs of this branch.")]
LimitOption = Annotated[int, typer.Option(min=0, help="At most so many, newest first; 0 is no limit.")]
_REPORTS = Path("reports")


@app.command("list")
def list_runs(
    *,
    fingerprint: FingerprintOption = None,
    branch: BranchOption = None,
    limit: LimitOption = 20,
    reports: ReportsOption = _REPORTS,
    source: FromOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
) -> None:
    """List the stored runs, newest first, and the files that are none with their reasons."""
    history = _open(reports, source, as_json=as_json, as_markdown=as_markdown)
    runs = [
        run
        for run in reversed(history.run_rows)
        if fingerprint in (None, run["fingerprint"]) and branch in (None, run["branch"])
    ]
    shown = runs[: limit or None]
    if as_json:
        unreadable = [each._asdict() for each in history.unreadable]
        _print_json({"history": history.name, "runs": [_run_json(run) for run in shown], "unreadable": unreadable})
        return
    titles = ("run", "stored (UTC)", "commit", "branch", "fingerprint", "data", "benchmarks", "warnings")
    rows = [
        (
            run["run"],
            f"{run['stored_at']:%Y-%m-%d %H:%M}" if run["stored_at"] else "unknown",
            _commit(run["commit"]) + ("+" if run["is_dirty"] else ""),
            run["branch"] or "-",
            run["fingerprint"] or "unknown",
            run["data"],
            str(run["num_benchmarks"]),
            str(len(run["warnings"]) or "-"),
        )
        for run in shown
    ]
    _print([_grid(titles, rows, numbers=("benchmarks", "warnings"))], as_markdown=as_markdown)
    if history.unreadable:
        _print([_grid(("no run", "reason"), history.unreadable)], as_markdown=as_markdown)
    _say_rest(len(shown), len(runs), "runs")


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, the start of its file or commit, last, last~1.")],
    *,
    reports: ReportsOption = _REPORTS,
    source: FromOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
) -> None:
    """Show one run: the contestants of each group beside each other, and the conditions."""
    from pricebench.history import cells, side_by_side
    from pricebench.limits.benchmarks import limit_of, told
    from pricebench.limits.records import LimitsError, newest_for

    history = _open(reports, source, as_json=as_json, as_markdown=as_markdown)
    run_id = history.resolve(run)
    chosen = history.run(run_id)
    if as_json:
        _print_json(_whole_run_json(run_id, chosen))
        return
    try:
        limits = newest_for(reports, chosen.facts)
    except LimitsError as error:
        talk.print(str(error), markup=False)
        limits = None
    grids, is_limited = [], False
    for group in side_by_side(chosen.benchmarks, limit=limit_of(limits)):
        is_limited = is_limited or any(row.of_limit is not None for row in group.rows)
        rows = [cells(row, group.reference) for row in group.rows]
        titles = list(dict.fromkeys(title for row in rows for title in row))
        table = [[row.get(title, "-") for title in titles] for row in rows]
        grids.append(_grid(["contestant", *titles[1:]], table, numbers=titles[1:], caption=group.title))
    _print(grids, as_markdown=as_markdown)
    limits_told = [told(limits, reports)] if is_limited else []
    _say([*_conditions(run_id, chosen), *limits_told], as_markdown=as_markdown)


@app.command("compare")
def compare_runs(
    before: Annotated[str, typer.Argument(metavar="A", help="The run to compare with, such as last~1.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The run that is looked at, such as last.")],
    *,
    reports: ReportsOption = _REPORTS,
    source: FromOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
) -> None:
    """Compare two runs of one fingerprint; new, missing and renamed benchmarks are named. Advisory: exits with 0."""
    history = _open(reports, source, as_json=as_json, as_markdown=as_markdown)
    ids = history.resolve(before), history.resolve(after)
    compared = history.compare(*ids)
    if as_json:
        _print_json(_comparison_json(*ids, compared))
        return
    from pricebench.history import short_names

    names = short_names([row.benchmark for row in compared.rows])
    titles = ("benchmark", "before", "after", "ratio", "usual", "verdict", "note")
    rows = [(names[row.benchmark], *_compared_cells(row)) for row in compared.rows]
    _print([_grid(titles, rows, numbers=titles[1:6])], as_markdown=as_markdown)
    told = [
        f"before: {_conditions(ids[0], compared.before)[0]}",
        f"after: {_conditions(ids[1], compared.after)[0]}",
        "medians per call; 'usual' is what the series exceeds once in a thousand steps from run to run",
        *(f"warning: {warning}" for warning in compared.warnings),
    ]
    _say(told, as_markdown=as_markdown)


@app.command()
def changes(
    *,
    fingerprint: FingerprintOption = None,
    branch: BranchOption = None,
    limit: LimitOption = 20,
    reports: ReportsOption = _REPORTS,
    source: FromOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
) -> None:
    """Find steps in the series of every benchmark and fingerprint, newest first. Advisory: exits with 0."""
    history = _open(reports, source, as_json=as_json, as_markdown=as_markdown)
    found = [change for change in history.changes(branch) if fingerprint in (None, change.fingerprint)]
    shown = found[: limit or None]
    if as_json:
        _print_json({"history": history.name, "changes": [_change_json(change) for change in shown]})
        return
    from pricebench.history import short_names
    from pricebench.history.changepoints import MIN_POINTS
    from pricebench.units import format_duration

    names = short_names([change.benchmark for change in shown])
    # A benchmark's name does not say which model was measured.
    is_mixed = len({change.workload for change in shown}) > 1
    workload = ("workload",) if is_mixed else ()
    titles = (
        "benchmark",
        *workload,
        "since run",
        "commits",
        "fingerprint",
        "before",
        "after",
        "change",
        "runs",
        "score",
        "note",
    )
    rows = [
        (
            names[change.benchmark],
            *((change.workload or "not stated",) if is_mixed else ()),
            f"{change.run} ({change.stored_at:%Y-%m-%d})",
            f"{_commit(change.previous_commit)}..{_commit(change.commit)}",
            change.fingerprint or "unknown",
            format_duration(change.before),
            format_duration(change.after),
            f"{change.ratio - 1:+.1%}",
            f"{change.num_before} + {change.num_after}",
            f"{change.score:.1f}",
            change.note,
        )
        for change in shown
    ]
    if rows:
        _print([_grid(titles, rows, numbers=("before", "after", "change", "runs", "score"))], as_markdown=as_markdown)
    lengths = [len(rows) for key, rows in history.series_rows.items() if fingerprint in (None, key.fingerprint)]
    num_runs = sum(fingerprint in (None, of_run) for of_run in history.run_table["fingerprint"].to_pylist())
    needed = 2 * MIN_POINTS
    num_short = sum(length < needed for length in lengths)
    short = f"; {num_short:,} have fewer than {needed} runs and were not judged" if num_short else ""
    _say(
        [f"{len(found):,} steps in {len(lengths):,} series of {num_runs:,} runs{short}. Advisory."],
        as_markdown=as_markdown,
    )
    _say_rest(len(shown), len(found), "steps")


def _open(reports: Path, source: str | None, *, as_json: bool, as_markdown: bool) -> History:
    from pricebench.history import open_history

    if as_json and as_markdown:
        raise typer.BadParameter("expected --json or --markdown, found both")
    history = open_history(source if source is not None else reports / "history")
    if not history.run_table.num_rows:
        talk.print(f"{history.name}: no stored runs. Run: pytest benchmarks.", markup=False)
    return history


def _grid(
    titles: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = (), caption: str = ""
) -> Grid:
    from pricebench.cli.tables import Grid

    words = frozenset(titles) - frozenset(numbers)
    return Grid(titles=titles, rows=list(rows), words=words, caption=caption)


def _print(grids: Sequence[Grid], *, as_markdown: bool) -> None:
    from pricebench.cli.tables import as_markdown as markdown
    from pricebench.cli.tables import print_grid

    for grid in grids:
        if as_markdown:
            result.print(markdown(grid), markup=False)
        else:
            print_grid(grid)


def _say(lines: Iterable[str], *, as_markdown: bool) -> None:
    """What belongs to the numbers goes where they go."""
    from pricebench.cli.tables import code, printable

    for line in lines:
        result.print(f"- {code(line)}" if as_markdown else printable(line), markup=False)


def _say_rest(num_shown: int, num_all: int, what: str) -> None:
    if num_shown < num_all:
        talk.print(f"{num_all - num_shown:,} older {what}: --limit 0 shows all")


def _print_json(content: Any) -> None:
    import orjson

    # JSON has no NaN: orjson writes null.
    result.file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")


def _commit(commit: str) -> str:
    return commit[:8] if len(commit) >= 40 else commit


def _conditions(run_id: str, run: Run) -> list[str]:
    facts = ", ".join(f"{name} {value}" for name, value in run.facts.items())
    when = f"{run.stored_at:%Y-%m-%d %H:%M} UTC" if run.stored_at else "at an unknown time"
    dirty = ", dirty tree" if run.is_dirty else ""
    first = (
        f"{run_id}, {when}, commit {_commit(run.commit)}{dirty}, branch {run.branch or 'unknown'}, data {run.data}, "
        f"fingerprint {run.machine or 'unknown'} ({facts or 'no facts stated'}), "
        f"pytest-benchmark {run.version or 'unknown'}"
    )
    return [first, *(f"warning: {warning}" for warning in run.warnings)]


def _compared_cells(row: Compared) -> tuple[str, ...]:
    from pricebench.history import USUAL_DEVIATIONS
    from pricebench.units import format_duration

    verdict = row.status.value if row.status != "both" else ""
    if row.is_unusual and row.ratio is not None:
        verdict = f"{verdict} {'slower' if row.ratio > 1 else 'faster'}".strip()
    return (
        format_duration(row.before.median) if row.before else "-",
        format_duration(row.after.median) if row.after else "-",
        f"{row.ratio:.3f}" if row.ratio is not None else "-",
        f"±{USUAL_DEVIATIONS * row.usual:.1%}" if row.usual is not None else "unknown",
        verdict,
        row.note,
    )


def _run_json(run: dict[str, Any]) -> dict[str, Any]:
    return {**run, "facts": json.loads(run["facts"])}


def _whole_run_json(run_id: str, run: Run) -> dict[str, Any]:
    from dataclasses import asdict

    return {"run": run_id, **asdict(run)}


def _comparison_json(before: str, after: str, compared: Comparison) -> dict[str, Any]:
    rows = [
        {
            "benchmark": row.benchmark,
            "status": row.status.value,
            "before": row.before.median if row.before else None,
            "after": row.after.median if row.after else None,
            "ratio": row.ratio,
            "usual": row.usual,
            "is_unusual": row.is_unusual,
            "note": row.note,
        }
        for row in compared.rows
    ]
    return {"before": before, "after": after, "warnings": list(compared.warnings), "benchmarks": rows}


def _change_json(change: Change) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(change), "ratio": change.ratio}
