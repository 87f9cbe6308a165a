from __future__ import annotations

import math

import numpy as np
import pytest

from pricebench.dashboard.runs import of_machine
from pricebench.dashboard.timeline import (
    MOST_POINTS,
    branches,
    comparison_frame,
    lines_of,
    picture,
    steps_frame,
    window,
)
from pricebench.history import HistoryError, open_history
from tests.dashboard.stored import EVIL, forward, keep, stored_benchmark, stored_run

MACHINE = "aaaaaaaaaa"


@pytest.fixture
def history_of(tmp_path):
    def opened(runs):
        for number, run in enumerate(runs, start=1):
            keep(tmp_path, run, number=number)
        return open_history(tmp_path / "history", use_cache=False)

    return opened


def series(levels, **more):
    """A run a day, eager at these levels and fx at twice of them."""
    return [stored_run(forward({"eager": one, "fx": 2 * one}), day=day, **more) for day, one in enumerate(levels)]


def drawn(history, *, branch=None, machine=MACHINE, workload="house_prices"):
    runs = window(of_machine(history.runs, machine), branch=branch, since="", until="")
    return picture(history, lines_of(history, machine, workload), runs["run"].tolist(), branch)


# ---- which series and runs -----------------------------------------------------------------------------------------


def test_lines_are_contestants_of_a_benchmark_and_shape(history_of):
    history = history_of([stored_run([*forward({"eager": 1.0, EVIL: 1.0}), *forward({"eager": 1.0}, shape="single")])])

    found = [(line.bench, line.shape, line.name) for line in lines_of(history, MACHINE, "house_prices")]

    assert sorted(found) == [
        ("forward", "full", EVIL),
        ("forward", "full", "eager"),
        ("forward", "single", "eager"),
    ]


def test_one_function_in_two_files_is_two_benchmarks(history_of):
    entries = forward({"eager": 1.0})
    other = forward({"eager": 1.0})[0]
    other["fullname"] = "benchmarks/test_y.py::test_forward[eager-full]"

    history = history_of([stored_run([*entries, other])])

    assert len({line.bench for line in lines_of(history, MACHINE, "house_prices")}) == 2


def test_branches_are_those_of_the_runs(history_of):
    history = history_of(
        [
            stored_run([], day=0, branch="main"),
            stored_run([], day=1, branch="faster"),
            stored_run([], day=2, branch=None),
        ]
    )

    assert branches(history.runs) == ["faster", "main"]


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("", "", [0, 1, 2, 3]),
        ("00000001", "", [1, 2, 3]),
        ("", "00000002", [0, 1, 2]),
        ("00000001", "00000001", [1]),
        ("2026-01-03", "", [2, 3]),
        ("", "2026-01-02", [0, 1]),
        ("2026-01-02", "2026-01-03", [1, 2]),
        ("2027-01-01", "", []),
        ("2026-01-02T13:00", "", [2, 3]),
    ],
)
def test_a_range_is_named_by_commits_or_days_and_holds_both_ends(history_of, since, until, days):
    # A run a day at noon from the first of January; the commit's id begins with the day's number.
    history = history_of(series([1.0] * 4))

    found = window(of_machine(history.runs, MACHINE), branch=None, since=since, until=until)

    assert [int(commit[:8], 16) for commit in found["commit"]] == days


def test_an_unknown_commit_is_refused_with_what_is_expected(history_of):
    history = history_of(series([1.0]))

    with pytest.raises(HistoryError, match="a day as 2026-11-23, found 'zzz'"):
        window(of_machine(history.runs, MACHINE), branch=None, since="zzz", until="")


def test_a_branch_leaves_the_others_out(history_of):
    history = history_of(
        [stored_run(forward({"eager": 1.0}), day=day, branch=("main", "faster")[day % 2]) for day in range(6)]
    )

    found = window(of_machine(history.runs, MACHINE), branch="faster", since="", until="")

    assert found["branch"].tolist() == ["faster"] * 3


# ---- points and steps ----------------------------------------------------------------------------------------------


def test_every_run_is_a_point_with_its_own_numbers(history_of):
    history = history_of(series([1.0, 2.0, 3.0]))

    points = drawn(history).points

    eager = points[points["name"] == "eager"]
    assert eager["x"].tolist() == [1, 2, 3]
    assert eager["median"].tolist() == [1.0, 2.0, 3.0]
    assert eager["q3"].tolist() == pytest.approx([1.1, 2.2, 3.3])
    assert eager["num_runs"].tolist() == [1, 1, 1]
    assert eager["when"].tolist()[0] == "2026-01-01 12:00 UTC"


def test_no_line_ever_leaves_its_fingerprint(history_of):
    history = history_of(
        [
            stored_run(forward({"eager": 1.0}), day=0, fingerprint=MACHINE),
            stored_run(forward({"eager": 9.0}), day=1, fingerprint="bbbbbbbbbb"),
            stored_run(forward({"eager": 1.0}), day=2, fingerprint=MACHINE),
        ]
    )

    assert drawn(history).points["median"].tolist() == [1.0, 1.0]
    assert drawn(history, machine="bbbbbbbbbb").points["median"].tolist() == [9.0]


def test_no_line_ever_leaves_its_workload(history_of):
    # The same benchmark by name, on the same machine, of another model.
    history = history_of(
        [
            stored_run(forward({"eager": 1.0}), day=0),
            stored_run(forward({"eager": 9.0}, workload="mymodel"), day=1),
            stored_run(forward({"eager": 1.0}), day=2),
        ]
    )

    assert drawn(history).points["median"].tolist() == [1.0, 1.0]
    assert drawn(history, workload="mymodel").points["median"].tolist() == [9.0]


def test_a_run_without_the_benchmark_leaves_its_place_empty(history_of):
    runs = series([1.0, 1.0, 1.0])
    runs[1]["benchmarks"] = [entry for entry in runs[1]["benchmarks"] if "eager" not in entry["name"]]

    points = drawn(history_of(runs)).points

    assert points.loc[points["name"] == "eager", "x"].tolist() == [1, 3]
    assert points.loc[points["name"] == "fx", "x"].tolist() == [1, 2, 3]


def test_many_runs_are_summed_up_and_none_is_lost(history_of):
    num_runs = 2 * MOST_POINTS + 7
    history = history_of(series(np.linspace(1.0, 2.0, num_runs)))

    found = drawn(history)

    eager = found.points[found.points["name"] == "eager"]
    assert found.runs_per_point == 3
    assert len(eager) == math.ceil(num_runs / 3)
    assert eager["num_runs"].sum() == num_runs
    # The first point is the median of the first three runs.
    assert eager["median"].iloc[0] == pytest.approx(np.linspace(1.0, 2.0, num_runs)[1])


def test_a_step_is_marked_at_the_first_run_after_it(history_of):
    chance = np.random.default_rng(3)
    levels = np.where(np.arange(40) < 20, 1.0, 1.3) * chance.normal(1.0, 0.01, 40)

    found = drawn(history_of(series(levels)))

    assert found.steps["x"].tolist() == [21, 21]
    assert found.steps["slower"].all()
    assert "1.30 s" in found.steps["text"].iloc[0]
    assert steps_frame([found])["in commit"].tolist() == ["00000014"] * 2


def test_a_quiet_series_has_no_steps(history_of):
    found = drawn(history_of(series([1.0, 1.01, 0.99])))

    assert found.steps.empty
    assert steps_frame([found]).empty


def test_a_comparison_names_new_and_missing_benchmarks(history_of):
    before = stored_run(forward({"eager": 1.0, "fx": 1.0}), day=0)
    after = stored_run(forward({"eager": 2.0, "compile": 1.0}), day=1)
    history = history_of([before, after])
    first, second = history.runs["run"]

    table = comparison_frame(history.compare(first, second), "house_prices").set_index("benchmark")

    assert table.loc["test_forward[eager-full]", ["before", "after", "ratio"]].tolist() == ["1.00 s", "2.00 s", "2.000"]
    assert table.loc["test_forward[compile-full]", "before"] == "-"
    assert table.loc["test_forward[fx-full]", "after"] == "-"


def test_a_comparison_leaves_other_workloads_out(history_of):
    other = stored_benchmark("test_load_csv", ("pandas",), 1.0, workload="load_csv")
    history = history_of([stored_run([*forward({"eager": 1.0}), other], day=day) for day in (0, 1)])
    first, second = history.runs["run"]

    table = comparison_frame(history.compare(first, second), "load_csv")

    assert table["benchmark"].tolist() == ["test_load_csv[pandas]"]
