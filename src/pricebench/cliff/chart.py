"""Pictures of a report, as altair charts: every call along the schedule, and the arms' steady times.

Rows first, charts from rows: a test reads the rows.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.schedule import AFTER, BEFORE, LATER, OTHER
from pricebench.units import format_duration

_STEADY = (BEFORE, OTHER, AFTER, LATER)
COMPILED, _REUSED, _FIRST, _EAGER = "compiled", "graph reused", "no compiler", "ran eager"
_COLOURS = {COMPILED: "#d62728", _REUSED: "#1f77b4", _EAGER: "#ff7f0e", _FIRST: "#7f7f7f"}


def calls(analysis: Analysis, arms: list[str]) -> pd.DataFrame:
    """A row per call of the schedule: arm, position, rows, seconds, graph, what happened, and a text."""
    rows = []
    for arm in arms:
        for position, call in enumerate(analysis.served(arm), start=1):
            if call.seconds is None:
                continue
            if call.compilations:
                happened = COMPILED
            elif call.served is None:
                happened = _FIRST
            else:
                happened = _EAGER if call.served == "eager" else _REUSED
            rows.append(
                {
                    "arm": arm,
                    "position": position,
                    "step": call.step,
                    "batch": f"{position}: {call.rows:,}",
                    "rows": call.rows,
                    "seconds": call.seconds,
                    "graph": call.served or "",
                    "happened": happened,
                    "text": f"{format_duration(call.seconds)}, {call.served or 'no compiler'}",
                }
            )
    return pd.DataFrame(rows)


def schedule_chart(analysis: Analysis, arms: list[str]) -> alt.FacetChart:
    """The time of each call along the schedule, a small picture per arm, compilations marked; log scale."""
    frame = calls(analysis, arms)
    x = alt.X(
        "batch:N", sort=list(dict.fromkeys(frame["batch"])), title="call number: rows", axis=alt.Axis(labelAngle=-40)
    )
    decades = alt.Axis(values=[10.0**power for power in range(-5, 4)])
    y = alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="seconds", axis=decades)
    colour = alt.Color("happened:N", scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())), title=None)
    base = alt.Chart(frame).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=70).encode(color=colour, tooltip=["arm", "step", "rows", "text"])
    labels = base.mark_text(dy=-10, fontSize=9).encode(text="graph:N", color=colour)
    chart: alt.FacetChart = (
        (base.mark_line(color="#cccccc", strokeWidth=1) + points + labels)
        .properties(width=250, height=140)
        .facet(facet=alt.Facet("arm:N", sort=arms, title=None), columns=2)
    )
    return chart


def steady(analysis: Analysis, arms: list[str]) -> pd.DataFrame:
    """A row per arm and steady block: the ratio to eager with its interval, 1 being eager."""
    rows: list[dict[str, Any]] = []
    for arm in arms:
        for step in _STEADY:
            ratio = analysis.against_eager(arm, step)
            if ratio:
                rows.append(
                    {
                        "arm": arm,
                        "block": "residual" if step == OTHER else f"full, {step.removeprefix('block ')}",
                        "ratio": ratio.value,
                        "low": ratio.low,
                        "high": ratio.high,
                        "found": "difference found" if ratio.is_found else "no difference found",
                    }
                )
    return pd.DataFrame(rows)


def steady_chart(analysis: Analysis, arms: list[str]) -> alt.LayerChart:
    """Steady times against eager's in the same moment, with the run's noise floor as a band."""
    # Rounded, so that the picture is the same wherever it is drawn: a logarithm's last bit hangs on the processor.
    frame = steady(analysis, arms).round(6)
    floor = analysis.floors.level
    blocks = ["full, A", "residual", "full, B", "full, C"]
    x = alt.X("ratio:Q", title="time / eager's time", scale=alt.Scale(zero=False))
    y = alt.Y("arm:N", sort=arms, title=None)
    offset = alt.YOffset("block:N", sort=blocks)
    band = (
        alt.Chart(pd.DataFrame([{"from": round(1 / floor, 6), "to": round(floor, 6)}]))
        .mark_rect(color="#888888", opacity=0.15)
        .encode(x=alt.X("from:Q", title="time / eager's time"), x2="to:Q")
    )
    bars = (
        alt.Chart(frame).mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", y=y, yOffset=offset, color="block:N")
    )
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=45)
        .encode(
            x=x,
            y=y,
            yOffset=offset,
            color=alt.Color("block:N", sort=blocks, title=None),
            shape=alt.Shape("found:N", title=None),
            tooltip=["arm", "block", "ratio", "low", "high", "found"],
        )
    )
    chart: alt.LayerChart = (band + bars + points).properties(width=520, height=alt.Step(11))
    return chart
