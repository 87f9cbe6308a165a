"""Times over the runs of a history."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pricebench.dashboard.charts import Chart, colors_for
from pricebench.units import duration_unit, format_duration

PICKED = "picked"
"""The selection that a click on a point makes."""

_SLOWER, _FASTER = "#e5484d", "#30a46c"


def timeline_chart(points: pd.DataFrame, steps: pd.DataFrame, *, is_log: bool = False) -> Chart:
    """A line per contestant over the runs, oldest to newest, with the quartiles as a band and a triangle at every step.

    Args:
        points: `name`, `x`, `median`, `q1`, `q3` in seconds, `run`, `commit`, `when`, `num_runs`.
        steps: `name`, `x`, `after` in seconds, `slower`, `text`; may be empty.
        is_log: Equal distances are equal ratios. Otherwise the axis begins at zero.
    """
    names = list(dict.fromkeys(points["name"]))
    unit, scale = duration_unit(float(points["median"].max()))
    shown = points.assign(
        time=points["median"] / scale,
        low=points["q1"] / scale,
        high=points["q3"] / scale,
        text=points["median"].map(format_duration),
    ).drop(columns=["median", "q1", "q3"])
    axis = alt.Scale(type="log", nice=False) if is_log else alt.Scale(type="linear", zero=True)
    x = alt.X(
        "x:Q",
        title="run, oldest to newest",
        axis=alt.Axis(tickMinStep=1, format="d"),
        scale=alt.Scale(nice=False, zero=False, padding=12),
    )
    y = alt.Y("time:Q", title=f"{unit} per call", scale=axis)
    # The legend would take over the band's faintness.
    legend = alt.Legend(orient="bottom", columns=4, symbolOpacity=1)
    color = alt.Color("name:N", scale=colors_for(names), title=None, legend=legend)
    tip = [
        alt.Tooltip("name:N"),
        alt.Tooltip("text:N", title="median"),
        alt.Tooltip("low:Q", format=".4g", title=f"q1 ({unit})"),
        alt.Tooltip("high:Q", format=".4g", title=f"q3 ({unit})"),
        alt.Tooltip("commit:N"),
        alt.Tooltip("when:N"),
        alt.Tooltip("num_runs:Q", title="runs"),
    ]
    picked = alt.selection_point(name=PICKED, fields=["run"], on="click", clear="dblclick")
    line = alt.Chart(shown).mark_line(strokeWidth=2).encode(x=x, y=y, color=color)
    band = (
        alt.Chart(shown)
        .mark_area(opacity=0.18)
        .encode(x=x, y=alt.Y("low:Q", title=f"{unit} per call", scale=axis), y2="high:Q", color=color)
    )
    # A name of its own: altair would count up at every drawing, and a drawing that differs forgets what was clicked.
    dots = (
        alt.Chart(shown, name="runs")
        .mark_point(filled=True, size=60 if len(shown) < 400 else 25, opacity=1)
        .encode(x=x, y=y, color=color, tooltip=tip)
        .add_params(picked)
    )
    layers = [band, line, dots]
    if len(steps):
        marks = steps.assign(time=steps["after"] / scale)
        direction = alt.Scale(domain=[True, False], range=["triangle-up", "triangle-down"])
        tone = alt.condition("datum.slower", alt.value(_SLOWER), alt.value(_FASTER))
        layers.append(
            alt.Chart(marks)
            .mark_point(filled=True, size=260, opacity=0.9, yOffset=-16)
            .encode(
                x=x,
                y=y,
                shape=alt.Shape("slower:N", scale=direction, legend=None),
                color=tone,
                tooltip=["name:N", alt.Tooltip("text:N", title="step"), "commit:N"],
            )
        )
    return alt.layer(*layers).properties(height=320)
