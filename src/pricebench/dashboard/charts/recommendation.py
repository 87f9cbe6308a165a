"""What each mode costs against eager."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, ROW, Chart, colors_for


def costs_chart(frame: pd.DataFrame, *, noise: tuple[float, float] | None) -> Chart:
    """A row per mode: its cost over eager's with the interval, a line at 1, and a band of what is noise.

    Args:
        frame: `name`, `ratio`, `low`, `high` (NaN where unknown), `chosen` ("ship" or "not chosen").
        noise: Ends of eager against itself, or None.
    """
    names = frame["name"].tolist()
    drawn = [*frame["ratio"], *frame["low"].dropna(), *frame["high"].dropna(), 1.0]
    # A first answer that compiles takes a thousand times as long as eager's.
    scale = alt.Scale(type="log") if max(drawn) > 10 * min(drawn) else alt.Scale(zero=False, padding=12)
    rows = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=160))
    across = alt.X("ratio:Q", title="cost over eager's", scale=scale)
    color = alt.Color("name:N", scale=colors_for(names), legend=None)
    shape = alt.Shape(
        "chosen:N", scale=alt.Scale(domain=["ship", "not chosen"], range=["diamond", "circle"]), legend=None
    )
    told = ["name:N", "chosen:N", *(alt.Tooltip(f"{column}:Q", format=".3f") for column in ("ratio", "low", "high"))]
    base = alt.Chart(frame)
    layers = [
        alt.Chart(pd.DataFrame([{"ratio": 1.0}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x=across),
        alt.Chart(frame.dropna())
        .mark_rule(strokeWidth=3)
        .encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=rows, color=color, tooltip=told),
        base.mark_point(filled=True, size=130, opacity=1).encode(
            x=across, y=rows, color=color, shape=shape, tooltip=told
        ),
    ]
    if noise is not None:
        band = pd.DataFrame([{"low": noise[0], "high": noise[1]}])
        layers.insert(
            0,
            alt.Chart(band).mark_rect(color=GREY, opacity=0.2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q"),
        )
    return alt.layer(*layers).properties(height=60 + ROW * len(names))
