"""Where the time of a step goes."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import ROW, Chart

_PART_COLORS = {
    "compute": "#2f9e5b",
    "dispatch": "#5b8ff0",
    "python": "#e0607e",
    "guards": "#c27f0e",
    "wrappers": "#aa5fb8",
    "waiting": "#b8bcc4",
}


def shares_chart(frame: pd.DataFrame) -> Chart:
    """A bar of 100 % per mode, cut into parts.

    Args:
        frame: `mode`, `part`, `order`, `share`, `meaning`.
    """
    names = list(dict.fromkeys(frame["mode"]))
    present = frame[frame["share"] > 0]
    parts = [part for part in _PART_COLORS if part in set(present["part"])]
    scale = alt.Scale(domain=parts, range=[_PART_COLORS[part] for part in parts])
    bars: alt.Chart = (
        alt.Chart(present)
        .mark_bar(height=26)
        .encode(
            x=alt.X("share:Q", title="share of a step", axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("mode:N", sort=names, title=None, axis=alt.Axis(labelLimit=160)),
            color=alt.Color("part:N", scale=scale, title=None, legend=alt.Legend(orient="bottom", columns=3)),
            order=alt.Order("order:Q"),
            tooltip=["mode:N", "part:N", alt.Tooltip("share:Q", format=".1%"), "meaning:N"],
        )
        .properties(height=100 + ROW * len(names))
    )
    return bars
