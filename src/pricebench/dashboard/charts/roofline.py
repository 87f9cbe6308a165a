"""The roofline: what each benchmark reaches, below what the machine can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, colors_for

_HEIGHT = 460
_NAMED_AT = 0.8  # of the way up a slope


def roofline_chart(roofs: pd.DataFrame, points: pd.DataFrame, contestants: Sequence[str]) -> alt.LayerChart:
    """Rate against intensity, both axes logarithmic; `rooflines` makes both frames."""
    across = alt.X(
        "intensity:Q",
        title="FLOP per byte that must be moved",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format="~g", tickCount=6, grid=False),
    )
    up = alt.Y(
        "rate:Q",
        title="FLOP a second",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(format="~s", tickCount=6, gridOpacity=0.4),
    )
    lines = (
        alt.Chart(roofs)
        .mark_line(strokeWidth=2)
        .encode(
            x=across,
            y=up,
            detail="roof:N",
            color=alt.value(GREY),
            strokeDash=alt.StrokeDash(
                "kind:N", scale=alt.Scale(domain=["arithmetic", "memory"], range=[[1, 0], [6, 4]]), legend=None
            ),
            tooltip=["roof:N"],
        )
    )
    # A level is named at its right end; a slope on the way, above the faster memory and below the slower.
    parts = roofs.sort_values("intensity").groupby("roof", sort=False)
    ends = parts.tail(1)
    is_named = parts.cumcount() == (parts["rate"].transform("size") * _NAMED_AT).astype(int)
    slopes = roofs[is_named & (roofs["kind"] == "memory")]
    is_fastest = slopes["rate"] == slopes["rate"].max()
    places: tuple[tuple[pd.DataFrame, Literal["left", "right"], int, int], ...] = (
        (ends[ends["kind"] == "arithmetic"], "right", 0, -8),
        (slopes[is_fastest], "right", -8, -8),
        (slopes[~is_fastest], "left", 8, 12),
    )
    names = [
        alt.Chart(part).mark_text(align=align, dx=dx, dy=dy, color=GREY).encode(x=across, y=up, text="roof:N")
        for part, align, dx, dy in places
    ]
    dots = (
        alt.Chart(points)
        .mark_point(filled=True, size=110, opacity=0.9)
        .encode(
            x=across,
            y=up,
            color=alt.Color(
                "contestant:N",
                scale=colors_for(list(contestants)),
                legend=alt.Legend(orient="bottom", title=None, columns=6),
            ),
            shape=alt.Shape("bound:N", legend=alt.Legend(orient="bottom", title="bound by")),
            tooltip=[
                "name:N",
                "bound:N",
                alt.Tooltip("share:Q", title="of the limit", format=".0%"),
                alt.Tooltip("rate:Q", title="FLOP/s", format=".3s"),
            ],
        )
    )
    drawn: alt.LayerChart = alt.layer(lines, *names, dots).resolve_scale(color="independent").properties(height=_HEIGHT)
    return drawn
