"""A price between its ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, MODE_COLORS, Chart
from pricebench.units import Dollar

if TYPE_CHECKING:
    from pricebench.serving.price_range import Price


def price_range_chart(price: Price, *, mean: Dollar, std: Dollar) -> Chart:
    """The price and its two ranges on one line, above a band of two standard deviations around the training mean."""
    bands = [
        {"low": low, "high": high, "share": share}
        for share, ends in (("9 of 10", price.most), ("half", price.half))
        if ends is not None
        for low, high in (ends,)
    ]
    low, high = max(0.0, mean - 2 * std), mean + 2 * std
    axis = alt.X("low:Q", title="USD", scale=alt.Scale(zero=False), axis=alt.Axis(format="$,.3s", tickCount=5))
    trained = alt.Chart(pd.DataFrame([{"low": low, "high": high, "what": "most training prices"}])).mark_bar(
        height=6, color=GREY, opacity=0.5, yOffset=24
    )
    layers = [trained.encode(x=axis, x2="high:Q", tooltip=["what:N", _dollars("low"), _dollars("high")])]
    if bands:
        ranges = alt.Chart(pd.DataFrame(bands)).mark_bar(height=22, color=MODE_COLORS["eager"])
        opacity = alt.Opacity("share:O", scale=alt.Scale(domain=["9 of 10", "half"], range=[0.35, 0.75]), legend=None)
        layers.append(
            ranges.encode(x=axis, x2="high:Q", opacity=opacity, tooltip=["share:N", _dollars("low"), _dollars("high")])
        )
    point = alt.Chart(pd.DataFrame([{"low": price.dollars}])).mark_tick(thickness=4, size=34, color="#c27f0e")
    layers.append(point.encode(x=axis, tooltip=[_dollars("low", "price")]))
    return alt.layer(*layers).properties(height=110)


def _dollars(column: str, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{column}:Q", title=title or column, format="$,.0f")
