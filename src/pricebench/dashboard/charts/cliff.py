"""The calls of an arm of the cliff."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, Chart

_HAPPENED = {"compiled": "#e5484d", "graph reused": "#5b8ff0", "ran eager": "#c27f0e", "no compiler": GREY}


def decades(seconds: pd.Series) -> tuple[float, float]:
    """Powers of ten around all values: one scale for every arm."""
    return 10.0 ** math.floor(math.log10(seconds.min())), 10.0 ** math.ceil(math.log10(seconds.max()) + 0.2)


def schedule_chart(frame: pd.DataFrame, *, domain: tuple[float, float]) -> Chart:
    """One arm's calls in order on a logarithmic scale, compilations marked.

    Args:
        frame: `x` (the call's number), `step`, `rows`, `seconds`, `graph`, `happened`, `text`.
        domain: Of the seconds.
    """
    x = alt.X(
        "x:Q",
        title="call",
        axis=alt.Axis(tickMinStep=1, format="d"),
        scale=alt.Scale(zero=False, nice=False, padding=14),
    )
    y = alt.Y(
        "seconds:Q",
        title="seconds",
        scale=alt.Scale(type="log", domain=list(domain)),
        axis=alt.Axis(format="~g", values=[10.0**power for power in range(-6, 5)]),
    )
    color = alt.Color(
        "happened:N", scale=alt.Scale(domain=list(_HAPPENED), range=list(_HAPPENED.values())), legend=None
    )
    shape = alt.Shape(
        "happened:N",
        scale=alt.Scale(domain=list(_HAPPENED), range=["diamond", "circle", "square", "circle"]),
        legend=None,
    )
    base = alt.Chart(frame)
    tip = [
        alt.Tooltip("step:N", title="call"),
        alt.Tooltip("rows:Q", format=","),
        alt.Tooltip("text:N", title="took"),
        alt.Tooltip("happened:N", title="what happened"),
    ]
    line = base.mark_line(color=GREY, opacity=0.6, strokeWidth=1).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=110, opacity=1).encode(x=x, y=y, color=color, shape=shape, tooltip=tip)
    words = base.mark_text(dy=-14, fontSize=11, color=GREY).encode(x=x, y=y, text="graph:N")
    return alt.layer(line, points, words).properties(height=220)
