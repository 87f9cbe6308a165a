"""Times of the contestants of one benchmark."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import GREY, ROW, Chart, colors_for
from pricebench.units import Second, duration_unit, format_duration


def medians_chart(frame: pd.DataFrame) -> Chart:
    """A bar per contestant from zero to its median, with its quartiles.

    Args:
        frame: `name`, `median`, `q1`, `q3` in seconds, the last two NaN where unknown.
    """
    names = list(frame["name"])
    unit, scale = duration_unit(float(frame["median"].max()))
    shown = pd.DataFrame(
        {
            "name": names,
            "median": frame["median"] / scale,
            "q1": frame["q1"] / scale,
            "q3": frame["q3"] / scale,
            "text": [format_duration(median) for median in frame["median"]],
        }
    )
    shown["end"] = shown[["median", "q3"]].max(axis=1)
    known = shown.dropna()
    title = f"{unit} per call, median and quartiles" if len(known) else f"{unit}, a single event"
    # Room for the text behind the longest bar.
    scale_x = alt.Scale(domain=[0, float(shown["end"].max()) * 1.2], nice=False)
    y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=160))
    tip = [alt.Tooltip("name:N"), alt.Tooltip("text:N", title="median"), *(_quartile_tips(unit) if len(known) else ())]
    bars = (
        alt.Chart(shown)
        .mark_bar(height=22)
        .encode(
            x=alt.X("median:Q", title=title, scale=scale_x, axis=alt.Axis(tickCount=6)),
            y=y,
            color=alt.Color("name:N", scale=colors_for(names), legend=None),
            tooltip=tip,
        )
    )
    words = (
        alt.Chart(shown)
        .mark_text(align="left", dx=6, color=GREY, fontSize=12)
        .encode(x=alt.X("end:Q", scale=scale_x), y=y, text="text:N")
    )
    layers = [bars, words]
    if len(known):
        spread = alt.Chart(known).mark_rule(strokeWidth=3, color=GREY)
        layers.insert(1, spread.encode(x=alt.X("q1:Q", scale=scale_x), x2="q3:Q", y=y, tooltip=tip))
    return alt.layer(*layers).properties(height=60 + ROW * len(names))


def _quartile_tips(unit: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=".4g", title=f"{name} ({unit})") for name in ("q1", "q3")]


def samples_chart(frame: pd.DataFrame, *, cut: Second | None = None) -> Chart:
    """Every sample as a stroke, a row per contestant, with the median.

    Args:
        frame: `name` and `seconds`, a row per sample.
        cut: Longer samples are not drawn; whoever shows the chart says how many.
    """
    names = list(dict.fromkeys(frame["name"]))
    medians_by_name = frame.groupby("name", sort=False)["seconds"].median()
    drawn = frame if cut is None else frame[frame["seconds"] <= cut]
    unit, scale = duration_unit(float(drawn["seconds"].max()))
    shown = pd.DataFrame({"name": drawn["name"], "time": drawn["seconds"] / scale})
    y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=160))
    x = alt.X("time:Q", title=f"{unit} per call, every sample", scale=alt.Scale(zero=False, nice=True))
    color = alt.Color("name:N", scale=colors_for(names), legend=None)
    tip = ["name:N", alt.Tooltip("time:Q", format=".4g", title=unit)]
    strokes = alt.Chart(shown).mark_tick(size=26, thickness=1, opacity=0.45).encode(x=x, y=y, color=color, tooltip=tip)
    middle = pd.DataFrame({"name": medians_by_name.index, "time": medians_by_name.to_numpy() / scale})
    marks = (
        alt.Chart(middle)
        .mark_point(size=90, shape="diamond", opacity=1, fill="#f4f4f4", stroke="#333333")
        .encode(x=x, y=y, tooltip=tip)
    )
    return alt.layer(strokes, marks).properties(height=60 + ROW * len(names))
