"""Charts of a server that answers just now: requests and their latency over the last minutes, and sizes of batches."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import MODE_COLORS
from pricebench.units import Second

_BLUE = MODE_COLORS["eager"]
_LEVEL_COLORS = {"p50": "#5b8ff0", "p90": "#c27f0e", "p99": "#e0607e"}
_HEIGHT = 240  # px, the axis and its title included
_LEGEND = 60


def _ago(shown: Second) -> alt.X:
    # The same axis at every reading, so that the lines move and the picture stays.
    return alt.X("ago:Q", title="seconds ago", scale=alt.Scale(domain=(-shown, 0)), axis=alt.Axis(format="d"))


def requests_chart(frame: pd.DataFrame, *, shown: Second) -> alt.Chart:
    """Requests a second by reading; `Live.frame` makes the frame."""
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_area(line={"color": _BLUE}, color=_BLUE, opacity=0.25)
        .encode(
            x=_ago(shown),
            y=alt.Y("per_second:Q", title="requests/s", scale=alt.Scale(zero=True)),
            tooltip=[alt.Tooltip("ago:Q", format=".0f"), alt.Tooltip("per_second:Q", format=",.1f")],
        )
        .properties(height=_HEIGHT)
    )
    return drawn


def latencies_chart(frame: pd.DataFrame, *, shown: Second) -> alt.Chart:
    """Percentiles in milliseconds by reading, a line each; `Live.frame` makes the frame."""
    levels = list(_LEVEL_COLORS)
    # Folded in the browser: a chart whose table was once empty never grows an axis there.
    drawn: alt.Chart = (
        alt.Chart(frame.assign(**{level: frame[level] * 1e3 for level in levels}))
        .transform_fold([*levels], as_=["percentile", "milliseconds"])
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=_ago(shown),
            y=alt.Y("milliseconds:Q", title="latency (ms)", scale=alt.Scale(zero=True)),
            color=alt.Color(
                "percentile:N",
                scale=alt.Scale(domain=levels, range=list(_LEVEL_COLORS.values())),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            tooltip=["percentile:N", alt.Tooltip("milliseconds:Q", format=",.3f"), alt.Tooltip("ago:Q", format=".0f")],
        )
        .properties(height=_HEIGHT + _LEGEND)
    )
    return drawn


def batches_chart(frame: pd.DataFrame) -> alt.Chart:
    """Calls of the model by their rows; `batches_frame` makes the frame."""
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("rows:N", sort=frame["rows"].tolist(), title="rows in a batch", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("batches:Q", title="batches"),
            tooltip=["rows:N", alt.Tooltip("batches:Q", format=",.0f")],
        )
        .properties(height=_HEIGHT)
    )
    return drawn
