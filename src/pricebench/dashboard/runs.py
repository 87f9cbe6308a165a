"""What the Benchmarks page shows: one stored run, taken apart into groups, tables and samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.history import Benchmark, Group, Run, cells, side_by_side
from pricebench.limits.benchmarks import limit_of
from pricebench.limits.records import Limits
from pricebench.units import Second, counted

UNKNOWN = "unknown machine"
NO_SHAPE = "all"  # where a benchmark has one shape only, and no parameter names it
# Of these, the slowest are left out of the picture unless asked for: they would squeeze the others into one line.
_SHOWN_SHARE = 0.99
_SHORT_COMMIT = 8
_KEPT_SAMPLES = 5


def folders_changed(folder: Path) -> tuple[tuple[str, int], ...]:
    """What changes when a file is added, replaced or deleted anywhere below: the times of all folders.

    A new or replaced file changes its folder; looking at each of ten thousand files would take longer than all else.
    """
    found = []
    for path in (folder, *sorted(folder.rglob("*/"))):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


# ---- choosing ------------------------------------------------------------------------------------------------------


def machines(runs: pd.DataFrame) -> dict[str, str]:
    """Label by fingerprint of every machine and stack that has runs, the one used last first."""
    newest_first = runs.iloc[::-1].drop_duplicates("fingerprint")
    return {
        UNKNOWN if pd.isna(row["fingerprint"]) else str(row["fingerprint"]): machine_label(
            row["fingerprint"], row["facts"]
        )
        for _, row in newest_first.iterrows()
    }


def machine_label(fingerprint: object, facts: object) -> str:
    """A fingerprint with what a person knows it by."""
    if not isinstance(fingerprint, str):
        return UNKNOWN
    known = as_mapping(facts)
    threads = known.get("threads")
    told = [
        str(known.get("cpu") or "unknown CPU"),
        counted(threads, "thread") if isinstance(threads, int) else "",
        f"Python {known['python']}" if "python" in known else "",
        f"torch {known['torch']}" if "torch" in known else "",
        str(known.get("device") or ""),
    ]
    return line_of(f"{', '.join(filter(None, told))} ({fingerprint})")


def as_mapping(facts: object) -> Mapping[str, Any]:
    """The facts of a run, which the index keeps as JSON."""
    try:
        found = json.loads(facts) if isinstance(facts, str) else facts
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def of_machine(runs: pd.DataFrame, machine: str) -> pd.DataFrame:
    """The runs of one machine, newest first."""
    is_wanted = runs["fingerprint"].isna() if machine == UNKNOWN else runs["fingerprint"] == machine
    return runs[is_wanted].iloc[::-1]


def run_labels(runs: pd.DataFrame) -> dict[str, str]:
    """Label by run id: when, which commit, which branch."""
    return {
        str(row.run): line_of(
            f"{_moment(row.stored_at, row.datetime)} · {short_commit(row.commit)}"
            + (f" · {row.branch}" if isinstance(row.branch, str) and row.branch else "")
            + (" · changed tree" if row.is_dirty is True else "")
        )
        for row in runs.itertuples()
    }


def short_commit(commit: object) -> str:
    """The start of a commit's id that people say."""
    return str(commit)[:_SHORT_COMMIT] if commit and commit != "unversioned" else "unversioned"


def _moment(stored_at: Any, stated: object) -> str:
    return f"{stored_at:%Y-%m-%d %H:%M} UTC" if pd.notna(stored_at) else str(stated)


# ---- one run -------------------------------------------------------------------------------------------------------


def groups_of(benchmarks: Sequence[Benchmark]) -> dict[str, dict[str, tuple[Benchmark, ...]]]:
    """Benchmarks by function, and in it by shape: what was measured on the same work stands beside each other."""
    found: dict[str, dict[str, list[Benchmark]]] = {}
    for benchmark in benchmarks:
        shapes = found.setdefault(function_label(benchmark.function), {})
        shapes.setdefault(shape_label(benchmark.params), []).append(benchmark)
    return {group: {shape: tuple(found) for shape, found in shapes.items()} for group, shapes in found.items()}


def function_label(function: str) -> str:
    """A test function's name for people."""
    return line_of(function.removeprefix("test_")) or "unnamed"


def shape_label(params: Sequence[str]) -> str:
    """The parameters behind the contestant, or the word for having none."""
    return line_of(" ".join(params[1:])) or NO_SHAPE


def side(benchmarks: Sequence[Benchmark], limits: Limits | None = None) -> Group:
    """Contestants of one group and shape as one group, with their share of the limits where those are known."""
    (group,) = side_by_side(benchmarks, limit=limit_of(limits))
    return group


def table_frame(group: Group) -> pd.DataFrame:
    """The group as the command line prints it: text, an unknown is a dash."""
    rows = [cells(row, group.reference) for row in group.rows]
    frame = pd.DataFrame(rows).fillna("-").rename(columns={"": "contestant"})
    frame["contestant"] = frame["contestant"].map(line_of)
    return frame


def medians_frame(benchmarks: Sequence[Benchmark]) -> pd.DataFrame:
    """A row per contestant: `name`, `median`, `q1`, `q3`; the last two NaN where unknown or of a single event."""
    rows = [
        {
            "name": name,
            "median": benchmark.median,
            "q1": benchmark.q1 if benchmark.q1 is not None and benchmark.rounds > 1 else np.nan,
            "q3": benchmark.q3 if benchmark.q3 is not None and benchmark.rounds > 1 else np.nan,
        }
        for name, benchmark in _named(benchmarks)
    ]
    return pd.DataFrame(rows)


def samples_frame(benchmarks: Sequence[Benchmark]) -> pd.DataFrame:
    """A row per raw sample: `name`, `seconds`; empty where the file holds none."""
    parts = [
        pd.DataFrame({"name": name, "seconds": np.asarray(benchmark.samples, dtype=np.float64)})
        for name, benchmark in _named(benchmarks)
        if benchmark.samples
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"name": [], "seconds": []})


def _named(benchmarks: Sequence[Benchmark]) -> list[tuple[str, Benchmark]]:
    return [(line_of(row.name), one) for row, one in zip(side(benchmarks).rows, benchmarks, strict=True)]


def slowest_shown(frame: pd.DataFrame) -> Second:
    """A limit under which at least 99 % of each contestant's samples lie."""
    return float(frame.groupby("name")["seconds"].quantile(_SHOWN_SHARE).max())


def conditions(run: Run) -> list[str]:
    """What a number needs beside it, a sentence each."""
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in run.facts.items())
    return [
        f"Machine and stack: {run.machine or UNKNOWN}" + (f" ({facts})" if facts else ""),
        f"Commit {short_commit(run.commit)}"
        + (f" on {run.branch}" if run.branch else "")
        + (", with changes that are in no commit" if run.is_dirty else "")
        + f", measured {run.datetime}",
        f"Data: {run.data}",
    ]


def warnings_of(run: Run, benchmarks: Sequence[Benchmark]) -> list[str]:
    """The run's own warnings, and what the shown numbers lack."""
    found = list(run.warnings)
    if not run.facts:
        found.append("the file does not say on which machine it was measured")
    unchecked = [name for name, one in _named(benchmarks) if one.extra_info.get("max_abs_error") is None]
    if unchecked and len(unchecked) < len(benchmarks):
        found.append(f"not checked against eager in float64: {', '.join(unchecked)}")
    return found


def without_samples(content: bytes) -> Any:
    """A run's JSON with long lists of samples cut short, for reading; unreadable content is a sentence."""
    try:
        record = json.loads(content)
    except ValueError as error:
        return f"not JSON: {error}"
    entries = record.get("benchmarks") if isinstance(record, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        stats = entry.get("stats") if isinstance(entry, dict) else None
        if not isinstance(stats, dict):
            continue
        data = stats.get("data")
        if isinstance(data, list) and len(data) > _KEPT_SAMPLES:
            stats["data"] = [*data[:_KEPT_SAMPLES], f"… and {len(data) - _KEPT_SAMPLES:,} more"]
    return record
