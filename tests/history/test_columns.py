from __future__ import annotations

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from evidence.make_history import make_history
from pricebench.history import open_history
from pricebench.history.columns import CASE, NUMBERS, rows_of
from tests.history.making import entry, run

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """Every place in a JSON value, the value itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


PLACES = list(places(run(entry(mode="eager", rows=1))))


def replaced(value, path, new):
    if not path:
        return new
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return whole


@given(st.sampled_from(PLACES), VALUES)
def test_whatever_stands_in_a_file_it_is_a_run_or_has_a_reason(path, value):
    content = json.dumps(replaced(run(entry(mode="eager", rows=1)), path, value)).encode()

    (row,) = rows_of([("x.json", "stamp", content)]).to_pylist()

    assert (row["reason"] is None) == (row["commit"] is not None)
    assert row["reason"] is None or "\n" not in row["reason"]


@given(st.binary(max_size=60))
def test_any_bytes_become_a_row(content):
    assert rows_of([("x.json", "stamp", content)]).num_rows == 1


def test_a_row_holds_the_names_once_and_the_numbers_in_their_order():
    (row,) = rows_of(
        [("x.json", "stamp", json.dumps(run(entry(median=2.0, mode="eager", rows=5))).encode())]
    ).to_pylist()

    assert dict(zip(CASE, json.loads(row["cases"])[0], strict=True)) == {
        "benchmark": "benchmarks/test_x.py::test_forward[eager-full]",
        "function": "test_forward",
        "params": ["eager", "full"],
        "group": None,
        "mode": "eager",
        "shape": None,
        "device": None,
        "timer": "perf_counter",
        "rows": 5,
        "workload": None,
    }
    assert list(row["benchmarks"][0].items()) == list(
        zip(NUMBERS, (3, 7, 2.0, 0.2, 1.8, 2.4, 2.0, 0.1, 1.9, 2.1), strict=True)
    )


def test_the_made_up_history_is_one(tmp_path):
    make_history(tmp_path / "made", num_runs=6, num_samples=4)

    history = open_history(tmp_path / "made", cache_home=tmp_path / "cache")

    assert history.unreadable == ()
    assert len(history.series_rows) == 3 * 60
    assert len(history.run("last").benchmarks[0].samples) == 4
