"""What the Limits page shows: the roofs of a machine, and each benchmark of a run below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.history import Benchmark
from pricebench.limits.benchmarks import roof_of
from pricebench.limits.records import Limits, Precision
from pricebench.limits.roofline import peak
from pricebench.units import format_duration

_POINTS = 60  # of a drawn roof
_MIB = 2**20


def roofs_frame(limits: Limits, threads: int, intensities: Sequence[float]) -> pd.DataFrame:
    """Points of each roof: `roof`, `intensity` (FLOP per byte), `rate` (FLOP a second), `kind`.

    A slope for the smallest and the largest array that was read, a level for each precision.

    Args:
        limits: Of the machine.
        threads: Whose limits.
        intensities: Of what is drawn below; the roofs reach a bit further.
    """
    levels = {precision: peak(limits, threads=threads, precision=precision) for precision in Precision}
    known = {precision: best.flop_per_second for precision, best in levels.items() if best}
    slopes = sorted((each for each in limits.bandwidths if each.threads == threads), key=lambda each: each.size)
    if not known or not slopes:
        return pd.DataFrame(columns=["roof", "intensity", "rate", "kind"])
    ridge = max(known.values()) / slopes[-1].per_second
    low, high = min([*intensities, 0.5]) / 2, max([*intensities, ridge]) * 2
    across = np.geomspace(low, high, _POINTS)
    rows = [
        {"roof": f"{precision}, {rate / 1e9:.0f} GFLOP/s", "intensity": x, "rate": rate, "kind": "arithmetic"}
        for precision, rate in known.items()
        for x in across
        if x >= rate / slopes[0].per_second
    ]
    for slope, place in ((slopes[0], "nearest cache"), (slopes[-1], "main memory")):
        ends = max(known.values()) / slope.per_second
        rows += [
            {
                "roof": f"{place}, {slope.per_second / 1e9:.0f} GB/s",
                "intensity": x,
                "rate": x * slope.per_second,
                "kind": "memory",
            }
            for x in across
            if x <= ends
        ]
    return pd.DataFrame(rows)


def points_frame(limits: Limits, benchmarks: Sequence[Benchmark], threads: int) -> pd.DataFrame:
    """A row per benchmark that has a limit: what it reaches, which share of its limit, and what binds it.

    Single events, such as first calls, are left out: compiling is no arithmetic of the model.

    `name`, `contestant`, `median`, `intensity`, `rate`, `share`, `bound`, `limit`.
    """
    rows = []
    for benchmark in benchmarks:
        roof, info = roof_of(limits, benchmark), benchmark.extra_info
        if roof is None or info.get("threads") != threads or not info.get("bytes") or benchmark.rounds < 2:
            continue
        rows.append(
            {
                "name": line_of(f"{benchmark.function.removeprefix('test_')} {' '.join(benchmark.params)}"),
                "contestant": line_of(benchmark.params[0] if benchmark.params else benchmark.function),
                "median": benchmark.median,
                "intensity": info["flop"] / info["bytes"],
                "rate": info["flop"] / benchmark.median,
                "share": roof.share_of(benchmark.median),
                "bound": str(roof.binds(benchmark.median)),
                "limit": roof.seconds,
            }
        )
    columns = ["name", "contestant", "median", "intensity", "rate", "share", "bound", "limit"]
    return pd.DataFrame(rows, columns=columns)


def points_table(points: pd.DataFrame) -> pd.DataFrame:
    """The same for people, the most that is left first."""
    ordered = points.sort_values("share")
    return pd.DataFrame(
        {
            "benchmark": ordered["name"],
            "median": ordered["median"].map(format_duration),
            "limit": ordered["limit"].map(format_duration),
            "of the limit": ordered["share"].map("{:.0%}".format),
            "what binds it": ordered["bound"],
        }
    )


def is_of(limits: Limits, facts: Mapping[str, Any]) -> bool:
    """Whether facts are those of the machine of these limits, on any number of threads."""
    return all(facts.get(name) == value for name, value in limits.machine.items() if name != "threads")


def finding(points: pd.DataFrame) -> str:
    """What the picture says, as a sentence."""
    if points.empty:
        return "No benchmark of this run has a limit on so many threads."
    best = points.iloc[int(points["share"].to_numpy().argmax())]
    counts = points["bound"].value_counts()
    told = ", ".join(f"{number} by {bound}" for bound, number in counts.items())
    return f"{best['name']} comes nearest to its limit: {best['share']:.0%}. Bound are {told}."
