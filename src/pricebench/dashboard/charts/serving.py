"""Servers under load."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, MODE_COLORS, OTHER_COLORS, Chart
from pricebench.units import Second, format_duration

_SERVER_COLORS = (*MODE_COLORS.values(), *OTHER_COLORS)


def latencies_chart(frame: pd.DataFrame, *, bound: Second) -> Chart:
    """Latency against rate, a line per server, both on logarithmic axes, with a dashed line at a bound.

    Args:
        frame: `name`, `rate` per second, `seconds`, `num_probes`, `errors`.
        bound: What 99 of 100 requests may take.
    """
    names = list(dict.fromkeys(frame["name"]))
    shown = frame.assign(ms=frame["seconds"] * 1e3, text=frame["seconds"].map(format_duration)).drop(columns="seconds")
    x = alt.X("rate:Q", title="requests a second", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    y = alt.Y("ms:Q", title="ms", scale=alt.Scale(type="log"))
    color = alt.Color(
        "name:N",
        scale=alt.Scale(
            domain=names, range=[_SERVER_COLORS[index % len(_SERVER_COLORS)] for index in range(len(names))]
        ),
        title=None,
        legend=alt.Legend(orient="bottom", columns=3),
    )
    tip = [
        alt.Tooltip("name:N"),
        alt.Tooltip("rate:Q", format=",.0f", title="requests a second"),
        alt.Tooltip("text:N", title="latency"),
        alt.Tooltip("errors:Q", format=",d"),
        alt.Tooltip("num_probes:Q", title="probes"),
    ]
    base = alt.Chart(shown)
    layers = [
        alt.Chart(pd.DataFrame([{"ms": bound * 1e3}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y=y),
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=color),
        base.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=color, tooltip=tip),
    ]
    return alt.layer(*layers).properties(height=360)


def memory_chart(frame: pd.DataFrame) -> Chart:
    """Memory over time.

    Args:
        frame: `minutes`, `mib`.
    """
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_line(point=True, color=MODE_COLORS["eager"])
        .encode(
            x=alt.X("minutes:Q"),
            y=alt.Y("mib:Q", title="MiB of all processes", scale=alt.Scale(zero=True)),
            tooltip=[alt.Tooltip("minutes:Q", format=".1f"), alt.Tooltip("mib:Q", format=",.1f", title="MiB")],
        )
        .properties(height=180)
    )
    return drawn
