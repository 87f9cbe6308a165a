from __future__ import annotations

import pytest

from pricebench.dashboard.workloads import (
    OWN,
    UNSTATED,
    benchmarks_of,
    implied_workload,
    name_of,
    runs_of,
    workloads_in,
    workloads_of,
)
from pricebench.history import open_history
from pricebench.workload import house_prices
from tests.dashboard.stored import forward, keep, stored_benchmark, stored_run


@pytest.fixture
def history(tmp_path):
    """Two runs of ours and of a CSV file, then one of another model, then one that states nothing."""
    csv = stored_benchmark("test_load_csv", ("pandas",), 1.0, workload="load_csv")
    keep(tmp_path, stored_run([*forward({"eager": 1.0, "fx": 1.0}), csv], day=0), number=1)
    keep(tmp_path, stored_run([*forward({"eager": 1.0, "fx": 1.0}), csv], day=1), number=2)
    keep(tmp_path, stored_run(forward({"eager": 1.0}, workload="mymodel"), day=2), number=3)
    keep(tmp_path, stored_run(forward({"eager": 1.0}, workload=None), day=3), number=4)
    return open_history(tmp_path / "history", use_cache=False)


def test_the_workload_that_was_measured_last_comes_first(history):
    assert workloads_of(history) == [UNSTATED, "mymodel", "house_prices", "load_csv"]


def test_runs_and_benchmarks_are_those_of_the_workload(history):
    assert [run.split("_")[1] for run in runs_of(history, "house_prices")["run"]] == ["00000000", "00000001"]
    assert len(runs_of(history, UNSTATED)) == 1
    assert [one.function for one in benchmarks_of(history.run("last~2"), "load_csv")] == ["test_load_csv"]


def test_an_address_that_names_a_run_or_a_benchmark_means_its_workload(history):
    run = runs_of(history, "mymodel")["run"].iloc[0]

    assert implied_workload(history, {"run": run}, known=None) == "mymodel"
    assert implied_workload(history, {"bench": "load_csv"}, known=UNSTATED) == "load_csv"


def test_an_address_that_leaves_it_open_keeps_what_was_looked_at(history):
    assert implied_workload(history, {}, known="house_prices") == "house_prices"
    assert implied_workload(history, {"run": "gone", "bench": "gone"}, known="house_prices") == "house_prices"
    assert implied_workload(history, {}, known="gone") == UNSTATED


@pytest.mark.parametrize("stated", [None, "", 3, ["a"]])
def test_what_is_no_name_is_not_stated(stated):
    assert name_of(stated) == UNSTATED


@pytest.mark.parametrize("content", ["text", [], {"benchmarks": 3}, {"benchmarks": [3, {"extra_info": 3}]}])
def test_any_content_states_some_workload_or_none(content):
    assert workloads_in(content) == [UNSTATED]


def test_a_runs_json_tells_its_workloads():
    run = stored_run([*forward({"eager": 1.0}), *forward({"fx": 1.0}, workload="mymodel")])

    assert workloads_in(run) == ["house_prices", "mymodel"]


def test_the_pages_that_price_a_house_show_the_house_price_model():
    assert house_prices().name == OWN
