"""Frames become charts. No streamlit: a chart is a Vega-Lite specification that a test can read.

Colours are told apart by colour-blind people and stand out on white and on black; a mode has one everywhere.
Columns have fixed names, and names from files are only ever data: Vega draws data as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import altair as alt
import pandas as pd

from pricebench.units import Dollar, Second, duration_unit, format_duration

if TYPE_CHECKING:
    from pricebench.serving.price_range import Price

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart

# Paul Tol's "bright", whose blue was lightened for dark pages.
MODE_COLORS = {"eager": "#5b8ff0", "torchscript": "#e0607e", "fx": "#2f9e5b", "compile": "#c27f0e"}
PART_COLORS = {
    "compute": "#2f9e5b",
    "dispatch": "#5b8ff0",
    "python": "#e0607e",
    "guards": "#c27f0e",
    "wrappers": "#aa5fb8",
    "waiting": "#b8bcc4",
}
_OTHERS = ("#4fb3d4", "#aa5fb8", "#8a8f98", "#b0713a", "#7f9a2f", "#c65d3b")
VERDICT_COLORS = {"ok": "#2f9e5b", "slower": "#d6405f", "faster": "#5b8ff0", "undecided": "#c27f0e"}
_SERVER_COLORS = (*MODE_COLORS.values(), *_OTHERS)
PICKED = "picked"  # the selection that a click on a point makes

_GREY = "#8a8f98"  # of what belongs to no mode
_ROW = 46  # px per contestant


def colors_for(names: Sequence[str]) -> alt.Scale:
    """A colour per name: a mode's own, others in turn."""
    strangers = [name for name in names if name not in MODE_COLORS]
    chosen = {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(strangers)} | MODE_COLORS
    return alt.Scale(domain=list(names), range=[chosen[name] for name in names])


def intervals(found: pd.DataFrame, blocks: pd.DataFrame) -> Chart:
    """Changes with their intervals, a row per benchmark, over the blocks' own; `gates` makes both frames."""
    names = found["name"].tolist()
    rows = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=260))
    across = alt.X("change:Q", title="head over base", axis=alt.Axis(format="+.1%"))
    colors = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=list(VERDICT_COLORS), range=list(VERDICT_COLORS.values())),
        legend=alt.Legend(orient="bottom", title=None),
    )
    told = ["name:N", "verdict:N", *(alt.Tooltip(f"{column}:Q", format="+.2%") for column in ("change", "low", "high"))]
    base = alt.Chart(found)
    layers = [
        base.mark_tick(color="#d6405f", thickness=2, opacity=0.7).encode(x=alt.X("counts_from:Q"), y=rows),
        base.mark_tick(color=_GREY, thickness=2, opacity=0.7).encode(x=alt.X("ok_below:Q"), y=rows),
        alt.Chart(blocks)
        .mark_circle(size=22, color=_GREY, opacity=0.45)
        .encode(x=across, y=rows, tooltip=["name:N", "block:Q", alt.Tooltip("change:Q", format="+.2%")]),
        base.mark_rule(strokeWidth=3).encode(x="low:Q", x2="high:Q", y=rows, color=colors, tooltip=told),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=across, y=rows, color=colors, tooltip=told),
    ]
    return alt.layer(*layers).properties(height=alt.Step(34))


def costs(frame: pd.DataFrame, *, noise: tuple[float, float] | None) -> Chart:
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
        alt.Chart(pd.DataFrame([{"ratio": 1.0}])).mark_rule(color=_GREY, strokeDash=[4, 4]).encode(x=across),
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
            alt.Chart(band).mark_rect(color=_GREY, opacity=0.2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q"),
        )
    return alt.layer(*layers).properties(height=60 + _ROW * len(names))


def price_range(price: Price, *, mean: Dollar, std: Dollar) -> Chart:
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
        height=6, color=_GREY, opacity=0.5, yOffset=24
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


# ---- benchmarks ----------------------------------------------------------------------------------------------------


def medians(frame: pd.DataFrame) -> Chart:
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
        .mark_text(align="left", dx=6, color=_GREY, fontSize=12)
        .encode(x=alt.X("end:Q", scale=scale_x), y=y, text="text:N")
    )
    layers = [bars, words]
    if len(known):
        spread = alt.Chart(known).mark_rule(strokeWidth=3, color=_GREY)
        layers.insert(1, spread.encode(x=alt.X("q1:Q", scale=scale_x), x2="q3:Q", y=y, tooltip=tip))
    return alt.layer(*layers).properties(height=60 + _ROW * len(names))


def _quartile_tips(unit: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=".4g", title=f"{name} ({unit})") for name in ("q1", "q3")]


def samples(frame: pd.DataFrame, *, cut: Second | None = None) -> Chart:
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
    return alt.layer(strokes, marks).properties(height=60 + _ROW * len(names))


# ---- history -------------------------------------------------------------------------------------------------------

_SLOWER, _FASTER = "#e5484d", "#30a46c"


def timeline(points: pd.DataFrame, steps: pd.DataFrame, *, is_log: bool = False) -> Chart:
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


# ---- traces --------------------------------------------------------------------------------------------------------


def shares(frame: pd.DataFrame) -> Chart:
    """A bar of 100 % per mode, cut into parts.

    Args:
        frame: `mode`, `part`, `order`, `share`, `meaning`.
    """
    names = list(dict.fromkeys(frame["mode"]))
    present = frame[frame["share"] > 0]
    parts = [part for part in PART_COLORS if part in set(present["part"])]
    scale = alt.Scale(domain=parts, range=[PART_COLORS[part] for part in parts])
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
        .properties(height=100 + _ROW * len(names))
    )
    return bars


# ---- the cliff -----------------------------------------------------------------------------------------------------

_HAPPENED = {"compiled": "#e5484d", "graph reused": "#5b8ff0", "ran eager": "#c27f0e", "no compiler": _GREY}


def decades(seconds: pd.Series) -> tuple[float, float]:
    """Powers of ten around all values: one scale for every arm."""
    return 10.0 ** math.floor(math.log10(seconds.min())), 10.0 ** math.ceil(math.log10(seconds.max()) + 0.2)


def schedule(frame: pd.DataFrame, *, domain: tuple[float, float]) -> Chart:
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
    line = base.mark_line(color=_GREY, opacity=0.6, strokeWidth=1).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=110, opacity=1).encode(x=x, y=y, color=color, shape=shape, tooltip=tip)
    words = base.mark_text(dy=-14, fontSize=11, color=_GREY).encode(x=x, y=y, text="graph:N")
    return alt.layer(line, points, words).properties(height=220)


# ---- serving -------------------------------------------------------------------------------------------------------


def latencies(frame: pd.DataFrame, *, bound: Second) -> Chart:
    """Latency against rate, a line per server, both on logarithmic axes, with a dashed line at a bound.

    Args:
        frame: `name`, `rate` per second, `seconds`, `num_probes`, `errors`.
        bound: What 99 of 100 requests may take.
    """
    names = list(dict.fromkeys(frame["name"]))
    shown = frame.assign(ms=frame["seconds"] * 1e3, text=frame["seconds"].map(format_duration)).drop(columns="seconds")
    x = alt.X("rate:Q", title="requests a second", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    y = alt.Y("ms:Q", title="ms", scale=alt.Scale(type="log"))
    color = alt.Color(
        "name:N",
        scale=alt.Scale(
            domain=names, range=[_SERVER_COLORS[index % len(_SERVER_COLORS)] for index in range(len(names))]
        ),
        title=None,
        legend=alt.Legend(orient="bottom", columns=3),
    )
    tip = [
        alt.Tooltip("name:N"),
        alt.Tooltip("rate:Q", format=",.0f", title="requests a second"),
        alt.Tooltip("text:N", title="latency"),
        alt.Tooltip("errors:Q", format=",d"),
        alt.Tooltip("num_probes:Q", title="probes"),
    ]
    base = alt.Chart(shown)
    layers = [
        alt.Chart(pd.DataFrame([{"ms": bound * 1e3}])).mark_rule(color=_GREY, strokeDash=[4, 4]).encode(y=y),
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=color),
        base.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=color, tooltip=tip),
    ]
    return alt.layer(*layers).properties(height=360)


def memory(frame: pd.DataFrame) -> Chart:
    """Memory over time.

    Args:
        frame: `minutes`, `mib`.
    """
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_line(point=True, color=MODE_COLORS["eager"])
        .encode(
            x=alt.X("minutes:Q"),
            y=alt.Y("mib:Q", title="MiB of all processes", scale=alt.Scale(zero=True)),
            tooltip=[alt.Tooltip("minutes:Q", format=".1f"), alt.Tooltip("mib:Q", format=",.1f", title="MiB")],
        )
        .properties(height=180)
    )
    return drawn
