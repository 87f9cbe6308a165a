"""Changes that the gate found."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, Chart

_VERDICT_COLORS = {"ok": "#2f9e5b", "slower": "#d6405f", "faster": "#5b8ff0", "undecided": "#c27f0e"}


def intervals_chart(found: pd.DataFrame, blocks: pd.DataFrame) -> Chart:
    """Changes with their intervals, a row per benchmark, over the blocks' own; `gates` makes both frames."""
    names = found["name"].tolist()
    rows = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=260))
    across = alt.X("change:Q", title="head over base", axis=alt.Axis(format="+.1%"))
    colors = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=list(_VERDICT_COLORS), range=list(_VERDICT_COLORS.values())),
        legend=alt.Legend(orient="bottom", title=None),
    )
    told = ["name:N", "verdict:N", *(alt.Tooltip(f"{column}:Q", format="+.2%") for column in ("change", "low", "high"))]
    base = alt.Chart(found)
    layers = [
        base.mark_tick(color="#d6405f", thickness=2, opacity=0.7).encode(x=alt.X("counts_from:Q"), y=rows),
        base.mark_tick(color=GREY, thickness=2, opacity=0.7).encode(x=alt.X("ok_below:Q"), y=rows),
        alt.Chart(blocks)
        .mark_circle(size=22, color=GREY, opacity=0.45)
        .encode(x=across, y=rows, tooltip=["name:N", "block:Q", alt.Tooltip("change:Q", format="+.2%")]),
        base.mark_rule(strokeWidth=3).encode(x="low:Q", x2="high:Q", y=rows, color=colors, tooltip=told),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=across, y=rows, color=colors, tooltip=told),
    ]
    return alt.layer(*layers).properties(height=alt.Step(34))
