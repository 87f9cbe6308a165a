from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Recorded
from prometheus_client.parser import text_string_to_metric_families

from pricebench.dashboard.histogram import Histogram


# Of Prometheus' own tests: promql/promqltest/testdata/histograms.test, testhistogram with start="positive".
@pytest.mark.parametrize(("level", "expected"), [(0.2, 0.048), (0.5, 0.15), (0.8, 0.72), (1.0, 1.0), (0.0, 0.0)])
def test_quantiles_are_those_of_prometheus(level, expected):
    histogram = Histogram((0.1, 0.2, 1.0, math.inf), (5, 7, 11, 12), 4.0)

    assert histogram.quantile(level) == pytest.approx(expected)


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=16), st.floats(0.001, 1.0))
def test_between_bounds_a_quantile_lies_on_a_straight_line(numbers, level):
    bounds, counts = np.arange(1.0, len(numbers) + 1), np.cumsum(numbers)
    histogram = Histogram((*bounds, math.inf), (*counts, counts[-1]), 1.0)

    expected = np.interp(level * counts[-1], [0, *counts], [0.0, *bounds])
    assert histogram.quantile(level) == pytest.approx(expected)


def test_of_no_values_there_is_neither_a_quantile_nor_a_mean():
    histogram = Histogram((1.0, math.inf), (0, 0), 0.0)

    assert histogram.quantile(0.5) is None
    assert histogram.mean is None


def recorded(*values, registry):
    histogram = Recorded("x", "x", ["who"], registry=registry, buckets=(1, 2, 4))
    for who, value in values:
        histogram.labels(who).observe(value)
    return histogram


def test_label_sets_are_added_up_and_what_came_later_is_told_apart():
    registry = CollectorRegistry()
    histogram = recorded(("a", 1), ("b", 3), ("b", 9), registry=registry)

    def read():
        (family, *_) = text_string_to_metric_families(generate_latest(registry).decode())
        return Histogram.of_samples(family.samples)

    before = read()
    histogram.labels("a").observe(2)
    after = read()

    assert before == Histogram((1.0, 2.0, 4.0, math.inf), (1, 1, 2, 3), 13.0)
    assert after.since(before) == Histogram((1.0, 2.0, 4.0, math.inf), (0, 1, 1, 1), 2.0)
    assert list(after.between()) == [(0.0, 1.0, 1), (1.0, 2.0, 1), (2.0, 4.0, 1), (4.0, math.inf, 1)]


@pytest.mark.parametrize(
    "lines",
    ['x_bucket{le="1"} 1', 'x_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1', 'x_bucket{le="+Inf"} NaN', "x_sum 1"],
    ids=["no infinite bound", "falls", "not a number", "no bounds"],
)
def test_what_is_no_histogram_is_refused(lines):
    (family, *_) = text_string_to_metric_families(f"# TYPE x histogram\n{lines}\n")

    with pytest.raises(ValueError, match="bound"):
        Histogram.of_samples(family.samples)
