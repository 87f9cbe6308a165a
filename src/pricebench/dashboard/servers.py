"""What the Serving page shows of a report: a row per probe for its chart, a row per reading of memory, its tables."""

from __future__ import annotations

import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.traffic.analysis import best_of_ours, highest, measured, times_ours
from pricebench.traffic.records import Report, Soak, Traffic
from pricebench.traffic.table import per_second

PERCENTILES = {"p50": "median", "p90": "9 of 10", "p99": "99 of 100", "p999": "999 of 1,000"}
"""Fields of a latency, and what they are called."""

_MIB = 1024 * 1024


def latency_frame(report: Report, traffic: Traffic, percentile: str) -> pd.DataFrame:
    """A row per server and rate: `name`, `rate`, `seconds` (the median of its probes), `num_probes`, `errors`.

    Args:
        report: Which.
        traffic: What was asked.
        percentile: A field of `Latency`.
    """
    titles = {server.name: line_of(server.title) for server in measured(report)}
    rows = [
        {
            "name": titles[probe.server],
            "rate": probe.rate,
            "seconds": getattr(probe.latency, percentile),
            "errors": probe.num_errors,
        }
        for probe in report.probes
        if probe.traffic is traffic and probe.server in titles and probe.rate > 0 and probe.latency.p50 > 0
    ]
    frame = pd.DataFrame(rows, columns=["name", "rate", "seconds", "errors"])
    grouped = frame.groupby(["name", "rate"], sort=False)
    return grouped.agg(
        seconds=("seconds", "median"), num_probes=("seconds", "size"), errors=("errors", "sum")
    ).reset_index()


def memory_frame(soak: Soak) -> pd.DataFrame:
    """A row per reading: `minutes`, `mib`."""
    return pd.DataFrame({"minutes": [time / 60 for time in soak.times], "mib": [size / _MIB for size in soak.resident]})


def answer(report: Report, traffic: Traffic) -> str | None:
    """The highest rate of ours beside the best of the others, as a sentence; None where it is not known."""
    best = best_of_ours(report, traffic)
    if best is None:
        return None
    others = [
        (highest(report, server.name, traffic), server, times_ours(report, server.name, traffic))
        for server in measured(report)
        if not server.is_ours
    ]
    told = [
        f"{ratio:.2f} times {line_of(server.title)} ({per_second(probe.rate)})"
        for probe, server, ratio in others
        if probe is not None and ratio is not None
    ]
    sentence = f"{traffic.capitalize()} per request: {per_second(best.rate)} requests a second"
    return f"{sentence}, {', '.join(told)}." if told else f"{sentence}."
