"""Frames become charts. No streamlit: a chart is a Vega-Lite specification that a test can read.

Colours are told apart by colour-blind people and stand out on white and on black; a mode has one everywhere.
Columns have fixed names, and names from files are only ever data: Vega draws data as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import altair as alt
import pandas as pd

from pricebench.units import Dollar

if TYPE_CHECKING:
    from pricebench.dashboard.pricing import Price

Chart: TypeAlias = alt.Chart | alt.LayerChart

# Paul Tol's "bright", whose blue was lightened for dark pages.
MODE_COLORS = {"eager": "#5b8ff0", "torchscript": "#e0607e", "fx": "#2f9e5b", "compile": "#d08b12"}
_OTHERS = ("#4fb3d4", "#aa5fb8", "#8a8f98", "#b0713a", "#7f9a2f", "#c65d3b")
_ROW = 46  # px per contestant


def colors_for(names: Sequence[str]) -> alt.Scale:
    """A colour per name: a mode's own, others in turn."""
    strangers = [name for name in names if name not in MODE_COLORS]
    chosen = {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(strangers)} | MODE_COLORS
    return alt.Scale(domain=list(names), range=[chosen[name] for name in names])


def price_range(price: Price, *, mean: Dollar, std: Dollar) -> Chart:
    """The price and its two ranges on one line, above the middle 95 % of a Gaussian with the training prices' spread."""
    bands = [
        {"low": low, "high": high, "share": share}
        for share, ends in (("9 of 10", price.most), ("half", price.half))
        if ends is not None
        for low, high in (ends,)
    ]
    low, high = max(0.0, mean - 2 * std), mean + 2 * std
    axis = alt.X("low:Q", title="USD", scale=alt.Scale(zero=False), axis=alt.Axis(format="$,.3s", tickCount=5))
    trained = alt.Chart(pd.DataFrame([{"low": low, "high": high, "what": "most training prices"}])).mark_bar(
        height=6, color="#8a8f98", opacity=0.5, yOffset=24
    )
    layers = [trained.encode(x=axis, x2="high:Q", tooltip=["what:N", _dollars("low"), _dollars("high")])]
    if bands:
        ranges = alt.Chart(pd.DataFrame(bands)).mark_bar(height=22, color=MODE_COLORS["eager"])
        opacity = alt.Opacity("share:N", scale=alt.Scale(domain=["9 of 10", "half"], range=[0.35, 0.75]), legend=None)
        layers.append(
            ranges.encode(x=axis, x2="high:Q", opacity=opacity, tooltip=["share:N", _dollars("low"), _dollars("high")])
        )
    point = alt.Chart(pd.DataFrame([{"low": price.dollars}])).mark_tick(thickness=4, size=34, color="#d08b12")
    layers.append(point.encode(x=axis, tooltip=[_dollars("low", "price")]))
    return alt.layer(*layers).properties(height=110)


def _dollars(column: str, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{column}:Q", title=title or column, format="$,.0f")
