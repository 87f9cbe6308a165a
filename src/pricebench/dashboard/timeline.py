"""What the History page shows: series of one machine and stack over its runs, thinned for a screen, with their steps.

Lines are contestants of one benchmark and shape. A line never leaves its fingerprint and its workload: a page shows one
of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.dashboard.runs import UNKNOWN, function_label, shape_label, short_commit
from pricebench.dashboard.workloads import UNSTATED, as_stated, name_of
from pricebench.history import Change, Comparison, History, HistoryError, SeriesKey
from pricebench.units import format_duration

# More dots than a screen has room for are summed up; each says how many runs it stands for.
MOST_POINTS = 200


# ---- which series --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series on a chart.

    Attributes:
        bench: Name of the benchmark without parameters, for people.
        shape: Its parameters behind the contestant, for people.
        name: The contestant, usually a mode.
        key: The series.
    """

    bench: str
    shape: str
    name: str
    key: SeriesKey


def lines_of(history: History, machine: str, workload: str = UNSTATED) -> tuple[Line, ...]:
    """Every series of a machine and a workload."""
    table = history.benchmarks
    stated = as_stated(workload)
    table = table[table["workload"].isna() if stated is None else table["workload"] == stated]
    mine = table[table["fingerprint"].isna() if machine == UNKNOWN else table["fingerprint"] == machine]
    full = [str(name) for name in mine["benchmark"]]
    bases = [name.partition("[")[0] for name in full]
    functions = [function_label(str(function)) for function in mine["function"]]
    # Two files may have a function of one name; then the file is part of the name.
    files_by_function: dict[str, set[str]] = {}
    for function, base in zip(functions, bases, strict=True):
        files_by_function.setdefault(function, set()).add(base)
    return tuple(
        Line(
            bench=function if len(files_by_function[function]) == 1 else line_of(base),
            shape=shape_label(list(params)),
            name=line_of(str(params[0])) if len(params) else function,
            key=SeriesKey(None if machine == UNKNOWN else machine, name, stated),
        )
        for function, base, name, params in zip(functions, bases, full, mine["params"], strict=True)
    )


# ---- which runs ----------------------------------------------------------------------------------------------------


def branches(runs: pd.DataFrame) -> list[str]:
    """The branches of some runs, sorted."""
    return sorted({str(branch) for branch in runs["branch"].dropna() if branch})


def window(runs: pd.DataFrame, *, branch: str | None, since: str, until: str) -> pd.DataFrame:
    """The runs of a branch between two commits or days, oldest first, both ends included.

    Args:
        runs: Of one machine, newest first.
        branch: None for all.
        since: Start of a commit's id, or a day as 2026-11-23; empty for the beginning.
        until: The same for the end.

    Raises:
        HistoryError: No run has such a commit, and it is no day.
    """
    found = runs.iloc[::-1]
    if branch is not None:
        found = found[found["branch"] == branch]
    found = found.reset_index(drop=True)
    first = 0 if not since.strip() else _edge(found, since.strip(), is_start=True)
    end = len(found) if not until.strip() else _edge(found, until.strip(), is_start=False)
    return found.iloc[first:end].reset_index(drop=True)


def _edge(runs: pd.DataFrame, text: str, *, is_start: bool) -> int:
    """Where a range of rows begins, or the row behind its end."""
    is_commit = runs["commit"].astype(str).str.startswith(text.lower()).to_numpy(dtype=bool)
    if is_commit.any():
        rows = np.flatnonzero(is_commit)
        return int(rows[0]) if is_start else int(rows[-1]) + 1
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise HistoryError(
            f"expected the start of a commit that has a run here, or a day as 2026-11-23, found '{line_of(text)}'."
        ) from None
    moment = day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)
    stored_at = runs["stored_at"]
    if is_start:
        later = np.flatnonzero((stored_at >= moment).to_numpy(dtype=bool))
        return int(later[0]) if len(later) else len(runs)
    # A day alone means all of it.
    limit = moment + timedelta(days=1) if len(text) == len("2026-11-23") else moment
    earlier = np.flatnonzero((stored_at < limit).to_numpy(dtype=bool))
    return int(earlier[-1]) + 1 if len(earlier) else 0


# ---- points --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What one chart draws.

    Attributes:
        points: `name`, `x` (the run's number in the window, from 1), `median`, `q1`, `q3` in seconds, `run`, `commit`,
            `when`, `num_runs`.
        steps: `name`, `x`, `after`, `slower`, `text`, `run`.
        runs_per_point: Above 1 where points were summed up.
    """

    points: pd.DataFrame
    steps: pd.DataFrame
    runs_per_point: int


def picture(history: History, lines: Sequence[Line], runs: Sequence[str], branch: str | None) -> Picture:
    """Points and steps of some lines.

    Args:
        history: All runs.
        lines: Of one benchmark and shape.
        runs: Ids of the window, oldest first.
        branch: Steps are looked for in its runs alone; None takes all.
    """
    number = {run: index for index, run in enumerate(runs)}
    per_point = max(1, math.ceil(len(runs) / MOST_POINTS))
    points, steps = [], []
    for line in lines:
        series = history.series(line.key.benchmark, line.key.fingerprint, line.key.workload)
        found = series.assign(index=series["run"].map(number)).dropna(subset=["index"])
        points.append(_thinned(found, per_point).assign(name=line.name))
        changes = history.series_changes(line.key, branch)
        steps += [_step_row(line, change, number, per_point) for change in changes if change.run in number]
    return Picture(
        points=pd.concat(points, ignore_index=True) if points else pd.DataFrame(),
        steps=pd.DataFrame(steps),
        runs_per_point=per_point,
    )


def _thinned(series: pd.DataFrame, per_point: int) -> pd.DataFrame:
    bins = series.groupby(series["index"].astype(int) // per_point, sort=True)
    summed = bins.agg(
        median=("median", "median"),
        q1=("q1", "median"),
        q3=("q3", "median"),
        run=("run", "last"),
        commit=("commit", "last"),
        when=("stored_at", "last"),
        num_runs=("run", "size"),
    )
    return summed.assign(
        x=(summed.index + 1) * per_point if per_point > 1 else summed.index + 1,
        commit=summed["commit"].map(short_commit),
        when=[f"{when:%Y-%m-%d %H:%M} UTC" if pd.notna(when) else "unknown" for when in summed["when"]],
    )


def _step_row(line: Line, change: Change, number: Mapping[str, int], per_point: int) -> dict[str, Any]:
    index = number[change.run] // per_point
    return {
        "name": line.name,
        "x": (index + 1) * per_point if per_point > 1 else index + 1,
        "after": change.after,
        "slower": change.ratio > 1.0,
        "text": f"{format_duration(change.before)} to {format_duration(change.after)} ({change.ratio - 1:+.1%})",
        "run": change.run,
        "shape": line.shape,
        "commit": short_commit(change.commit),
        "previous commit": short_commit(change.previous_commit),
    }


def steps_frame(pictures: Iterable[Picture]) -> pd.DataFrame:
    """Every step that the pictures mark, as text, newest first."""
    found = [picture.steps for picture in pictures if len(picture.steps)]
    if not found:
        return pd.DataFrame()
    steps = pd.concat(found, ignore_index=True).sort_values("x", ascending=False)
    return steps[["name", "shape", "text", "previous commit", "commit"]].rename(
        columns={"text": "median before and after", "previous commit": "after commit", "commit": "in commit"}
    )


def comparison_frame(comparison: Comparison, workload: str) -> pd.DataFrame:
    """Two runs, a row per benchmark of a workload in either: text, an unknown is a dash."""
    return pd.DataFrame(
        [
            {
                "benchmark": line_of(row.benchmark.rpartition("::")[2]),
                "before": "-" if row.before is None else format_duration(row.before.median),
                "after": "-" if row.after is None else format_duration(row.after.median),
                "ratio": "-" if row.ratio is None else f"{row.ratio:.3f}",
                "unusual": "unknown" if row.is_unusual is None else "yes" if row.is_unusual else "no",
                "note": line_of(" ".join(filter(None, (row.status.value if row.status != "both" else "", row.note)))),
            }
            for row in comparison.rows
            if workload in {name_of(one.workload) for one in (row.before, row.after) if one is not None}
        ]
    )
