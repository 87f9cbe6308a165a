from __future__ import annotations

import pandas as pd
import pytest

from pricebench.dashboard.charts import MODE_COLORS, colors_for
from pricebench.dashboard.charts.benchmarks import medians_chart, samples_chart
from pricebench.dashboard.charts.history import timeline_chart
from pricebench.dashboard.charts.price import price_range_chart
from pricebench.dashboard.charts.traces import shares_chart
from pricebench.serving.price_range import Price
from tests.dashboard.stored import EVIL, MARKDOWN

NAMES = ["eager", EVIL, MARKDOWN]


def spec(chart):
    """What the browser gets."""
    return chart.to_dict()


def rows(chart):
    """All data of a chart."""
    return [row for data in spec(chart)["datasets"].values() for row in data]


def without_data(chart):
    found = spec(chart)
    found.pop("datasets")
    return str(found)


def test_modes_have_one_colour_everywhere_and_strangers_others():
    scale = colors_for(["fx", "duckdb", "eager", "polars"]).to_dict()

    colour = dict(zip(scale["domain"], scale["range"], strict=True))
    assert colour["eager"] == MODE_COLORS["eager"]
    assert colour["fx"] == MODE_COLORS["fx"]
    assert len(set(colour.values())) == 4


def contrast(one, other):
    """WCAG 2.2's contrast ratio of two colours."""

    def luminance(colour):
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#171715"])
@pytest.mark.parametrize("colour", MODE_COLORS.values())
def test_modes_stand_out_on_light_and_on_dark_pages(colour, page):
    # WCAG 2.2, 1.4.11: graphical objects need 3:1.
    assert contrast(colour, page) >= 3.0


@pytest.fixture
def medians():
    return pd.DataFrame(
        {
            "name": NAMES,
            "median": [2e-3, 1e-3, 5e-4],
            "q1": [1.9e-3, 9e-4, float("nan")],
            "q3": [2.1e-3, 1.1e-3, float("nan")],
        }
    )


def test_medians_are_in_the_unit_of_the_largest(medians):
    chart = medians_chart(medians)

    assert [row["median"] for row in rows(chart) if "median" in row][:3] == pytest.approx([2.0, 1.0, 0.5])
    assert "ms per call" in without_data(chart)
    assert "500 µs" in [row["text"] for row in rows(chart) if "text" in row]


def test_an_unknown_spread_is_not_drawn(medians):
    layers = spec(medians_chart(medians.assign(q1=float("nan"), q3=float("nan"))))["layer"]

    assert [layer["mark"]["type"] for layer in layers] == ["bar", "text"]


def test_names_are_data_and_never_part_of_the_drawing(medians):
    samples = pd.DataFrame({"name": NAMES, "seconds": [1.0, 2.0, 3.0]})
    points = pd.DataFrame(
        {
            "name": NAMES,
            "x": [1, 2, 3],
            "median": 1.0,
            "q1": 1.0,
            "q3": 1.0,
            "run": EVIL,
            "commit": EVIL,
            "when": EVIL,
            "num_runs": 1,
        }
    )
    shares = pd.DataFrame({"mode": NAMES, "part": "compute", "order": 0, "share": 1.0, "meaning": EVIL})

    for chart in (
        medians_chart(medians),
        samples_chart(samples),
        timeline_chart(points, pd.DataFrame()),
        shares_chart(shares),
    ):
        # The only place besides the data are lists of values to sort by and to colour.
        rest = without_data(chart).replace(str(NAMES), "")
        assert EVIL not in rest
        assert MARKDOWN not in rest
        assert any(EVIL in row.values() for row in rows(chart))


def test_samples_beyond_the_limit_are_left_out_but_count_for_the_median():
    frame = pd.DataFrame({"name": "eager", "seconds": [1.0, 2.0, 3.0, 4.0, 100.0]})

    whole, cut = rows(samples_chart(frame)), rows(samples_chart(frame, cut=4.0))

    assert sorted(row["time"] for row in whole) == [1.0, 2.0, 3.0, 3.0, 4.0, 100.0]
    assert sorted(row["time"] for row in cut) == [1.0, 2.0, 3.0, 3.0, 4.0]


@pytest.mark.parametrize(("is_log", "kind"), [(False, "linear"), (True, "log")])
def test_a_timeline_is_linear_from_zero_or_logarithmic(is_log, kind):
    points = pd.DataFrame(
        {
            "name": "eager",
            "x": [1, 2],
            "median": [1e-3, 2e-3],
            "q1": 1e-3,
            "q3": 2e-3,
            "run": "r",
            "commit": "c",
            "when": "w",
            "num_runs": 1,
        }
    )
    steps = pd.DataFrame(
        {"name": ["eager"], "x": [2], "after": [2e-3], "slower": [True], "text": ["t"], "commit": ["c"]}
    )

    found = spec(timeline_chart(points, steps, is_log=is_log))

    assert {layer["encoding"]["y"]["scale"]["type"] for layer in found["layer"]} == {kind}
    assert [layer["mark"]["type"] for layer in found["layer"]] == ["area", "line", "point", "point"]
    # The band lies between the quartiles.
    assert [found["layer"][0]["encoding"][end]["field"] for end in ("y", "y2")] == ["low", "high"]
    assert [row["time"] for row in rows(timeline_chart(points, steps)) if "slower" in row] == pytest.approx([2.0])


def test_the_same_timeline_is_drawn_the_same():
    points = pd.DataFrame(
        {
            "name": "eager",
            "x": [1],
            "median": 1.0,
            "q1": 1.0,
            "q3": 1.0,
            "run": "r",
            "commit": "c",
            "when": "w",
            "num_runs": 1,
        }
    )

    assert spec(timeline_chart(points, pd.DataFrame())) == spec(timeline_chart(points, pd.DataFrame()))


def test_a_price_without_a_range_draws_none():
    known = Price(dollars=10.0, half=(9.0, 11.0), most=(8.0, 12.0), range_note="", warnings=())
    unknown = Price(dollars=10.0, half=None, most=None, range_note="", warnings=())

    ends = {(row["low"], row.get("high")) for row in rows(price_range_chart(known, mean=10.0, std=3.0))}

    # The training prices' band is two standard deviations wide on each side, and no price is below zero.
    assert ends == {(4.0, 16.0), (9.0, 11.0), (8.0, 12.0), (10.0, None)}
    assert len(spec(price_range_chart(unknown, mean=10.0, std=30.0))["layer"]) == 2


def test_parts_that_take_no_time_are_not_in_the_legend():
    frame = pd.DataFrame(
        {
            "mode": "eager",
            "part": ["python", "compute", "guards"],
            "order": [2, 0, 3],
            "share": [0.25, 0.75, 0.0],
            "meaning": "",
        }
    )

    assert spec(shares_chart(frame))["encoding"]["color"]["scale"]["domain"] == ["compute", "python"]
