from __future__ import annotations

import pytest

from pricebench.history import HistoryError, SeriesKey, open_history
from tests.history.making import entry, run, store

EAGER = "benchmarks/test_x.py::test_forward[eager-full]"


@pytest.fixture
def opened(tmp_path):
    """A history of the given runs, in files named by their position."""

    def open_(*runs):
        for position, content in enumerate(runs):
            store(tmp_path / "history", content, f"{position:02d}_{content['commit_info']['id'][-4:]}.json")
        return open_history(tmp_path / "history", cache_home=tmp_path / "cache")

    return open_


def test_runs_are_ordered_by_time_not_by_name(opened):
    history = opened(run(number=5), run(number=1), run(number=3))

    assert history.run_table["run"].to_pylist() == ["01_0001", "02_0003", "00_0005"]
    assert history.runs["stored_at"].is_monotonic_increasing


def test_a_run_without_a_readable_time_is_kept_and_never_the_latest(opened):
    history = opened(run(number=1), run(number=2) | {"datetime": "yesterday"})

    assert history.resolve("last") == "00_0001"
    assert history.runs["datetime"].tolist()[0] == "yesterday"
    assert history.runs["stored_at"].isna().tolist() == [True, False]


def test_the_state_is_another_when_a_run_is_replaced_added_or_taken_away_and_else_the_same(tmp_path):
    def state():
        return open_history(tmp_path / "history", cache_home=tmp_path / "cache").state

    path = store(tmp_path / "history", run(number=1))
    states = [state()]
    assert state() == states[0]
    store(tmp_path / "history", run(entry(median=12.5), number=1))
    states.append(state())
    store(tmp_path / "history", run(number=2))
    states.append(state())
    path.unlink()
    states.append(state())

    assert len(set(states)) == 4


def test_a_series_never_joins_two_fingerprints(opened):
    history = opened(run(number=1), run(number=2, fingerprint="other"), run(number=3))

    assert set(history.series_rows) == {SeriesKey("0123456789", EAGER), SeriesKey("other", EAGER)}
    assert history.series(EAGER, "0123456789")["run"].tolist() == ["00_0001", "02_0003"]
    assert history.benchmarks["num_runs"].tolist() == [2, 1]


def test_a_series_never_joins_two_workloads_nor_one_with_what_states_none(opened):
    ours, theirs = entry(workload="house_prices"), entry(median=5.0, workload="mymodel")
    history = opened(run(ours, number=1), run(theirs, number=2), run(ours, number=3), run(entry(), number=4))

    found = {key.workload: rows for key, rows in history.series_rows.items()}
    assert {workload: len(rows) for workload, rows in found.items()} == {"house_prices": 2, "mymodel": 1, None: 1}
    assert history.series(EAGER, "0123456789", "mymodel")["median"].tolist() == [5.0]
    assert history.benchmarks["num_runs"].tolist() == [len(rows) for rows in found.values()]


def test_no_step_is_found_between_two_workloads(opened):
    level = [run(entry(workload="small"), number=number) for number in range(8)]
    other = [run(entry(median=9.0, workload="large"), number=number) for number in range(8, 16)]

    assert opened(*level, *other).changes() == ()


def test_runs_are_known_by_workload_the_one_measured_last_first(opened):
    large, small = entry(workload="large"), entry("test_forward[fx-full]", workload="small")
    history = opened(
        run(large, number=1),
        run(small, entry(workload="small"), entry("test_load[a]", workload="csv"), number=2),
        run(large, number=3),
    )

    found = {workload: rows.tolist() for workload, rows in history.runs_by_workload.items()}

    # Of the two workloads of the second run, the one of two benchmarks comes first.
    assert list(found.items()) == [("large", [0, 2]), ("small", [1]), ("csv", [1])]


def test_a_series_has_what_a_chart_needs(opened):
    history = opened(run(entry(median=2.0, mode="eager", shape="full", rows=2048), number=1, branch="b"))

    (point,) = history.series(EAGER, "0123456789").to_dict("records")

    assert (point["median"], point["q1"], point["q3"], point["min"]) == (2.0, 1.9, 2.1, 1.8)
    assert (point["mode"], point["shape"], point["rows"], point["timer"]) == ("eager", "full", 2048, "perf_counter")
    assert (point["branch"], point["rounds"], point["iterations"]) == ("b", 3, 7)
    assert list(point["params"]) == ["eager", "full"]


def test_a_name_may_change_its_group_and_stays_one_series(opened):
    grouped = entry(median=2.0)
    grouped["group"] = "new"

    history = opened(run(entry(), number=1), run(grouped, number=2))

    groups = history.series(EAGER, "0123456789")["group"]
    assert groups.isna().tolist() == [True, False]
    assert groups.iloc[1] == "new"


def test_facts_that_a_case_did_not_note_are_unknown(opened):
    history = opened(run(entry("test_g", mode=None, rows="many")))

    table = history.measurement_table

    assert table["mode"].to_pylist() == table["rows"].to_pylist() == [None]


def test_an_unknown_benchmark_names_the_nearest(opened):
    with pytest.raises(HistoryError, match=r"Did you mean 'benchmarks/test_x\.py::test_forward"):
        opened(run()).series(EAGER.replace("full", "fool"), "0123456789")


@pytest.mark.parametrize(
    ("text", "meant"), [("last", "02_0003"), ("last~2", "00_0001"), ("01_", "01_0002"), ("00_0001", "00_0001")]
)
def test_a_run_is_named_by_place_or_by_the_start_of_its_file(opened, text, meant):
    history = opened(run(number=1), run(number=2), run(number=3))

    assert history.resolve(text) == meant


def test_a_run_is_named_by_the_start_of_its_commit(opened):
    content = run(number=1)
    content["commit_info"]["id"] = "abcdef" + "0" * 34

    assert opened(content, run(number=2)).resolve("abc") == "00_0000"


@pytest.mark.parametrize(
    ("text", "says"), [("0", "names 2"), ("last~2", "at least 3"), ("zzz", "No run is called"), ("", "No run")]
)
def test_none_or_several_runs_are_refused(opened, text, says):
    with pytest.raises(HistoryError, match=says):
        opened(run(number=1), run(number=2)).resolve(text)


def test_a_run_that_was_deleted_meanwhile_is_one_line(opened, tmp_path):
    history = opened(run(number=1))
    (tmp_path / "history" / "00_0001.json").unlink()

    with pytest.raises(HistoryError, match="found: No such file"):
        history.run("last")


def stepped(*, after_branch="main", data_after="houses"):
    """Twenty runs at 1.00 or 1.01 s, then eight a fifth slower."""
    levels = [1.0 + 0.01 * (number % 2) for number in range(20)] + [1.2 + 0.01 * (number % 2) for number in range(8)]
    return [
        run(
            entry(median=level),
            number=number,
            branch="main" if number < 20 else after_branch,
            data="houses" if number < 20 else data_after,
        )
        for number, level in enumerate(levels)
    ]


def test_a_step_is_told_with_the_runs_and_commits_around_it(opened):
    (change,) = opened(*stepped()).changes()

    assert (change.benchmark, change.fingerprint) == (EAGER, "0123456789")
    assert (change.previous_run, change.run) == ("19_0013", "20_0014")
    assert (int(change.previous_commit, 16), int(change.commit, 16)) == (19, 20)
    assert (change.num_before, change.num_after) == (20, 8)
    assert change.ratio == pytest.approx(1.205 / 1.005)
    assert change.note == ""


def test_a_step_that_came_with_other_data_says_so(opened):
    (change,) = opened(*stepped(data_after="other")).changes()

    assert change.note == "data set houses before, other after"


def test_a_slow_branch_is_no_step_of_main(opened):
    history = opened(*stepped(after_branch="feature"))

    assert len(history.changes()) == 1
    assert history.changes("main") == history.series_changes(SeriesKey("0123456789", EAGER), "main") == ()


def test_two_machines_of_different_speed_are_no_step(opened):
    runs = [run(entry(median=1.0), number=number, fingerprint="slow") for number in range(10)]
    runs += [run(entry(median=0.5), number=number, fingerprint="fast") for number in range(10, 20)]

    assert opened(*runs).changes() == ()
