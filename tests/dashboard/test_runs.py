from __future__ import annotations

import json
import os

import numpy as np
import pytest

from pricebench.dashboard.runs import (
    UNKNOWN,
    conditions,
    folders_changed,
    groups_of,
    machines,
    medians_frame,
    of_machine,
    run_labels,
    samples_frame,
    side,
    slowest_shown,
    table_frame,
    warnings_of,
    without_samples,
)
from pricebench.history import Run, open_history
from tests.dashboard.stored import EVIL, forward, keep, stored_benchmark, stored_run


@pytest.fixture
def history_of(tmp_path):
    def opened(*runs):
        for number, run in enumerate(runs, start=1):
            keep(tmp_path, run, number=number)
        return open_history(tmp_path / "history", use_cache=False)

    return opened


def test_machines_are_labelled_and_the_one_used_last_comes_first(history_of):
    history = history_of(
        stored_run(forward({"eager": 1e-3}), day=1, fingerprint="aaaaaaaaaa"),
        stored_run(forward({"eager": 1e-3}), day=2, fingerprint="bbbbbbbbbb"),
    )

    found = machines(history.runs)

    assert list(found) == ["bbbbbbbbbb", "aaaaaaaaaa"]
    assert found["aaaaaaaaaa"] == "Test CPU, 2 threads, Python 3.11, torch 2.15.0, cpu (aaaaaaaaaa)"


def test_a_run_that_names_no_machine_is_under_a_heading_of_its_own(tmp_path):
    run = stored_run(forward({"eager": 1e-3}))
    keep(tmp_path, run)
    (path,) = (tmp_path / "history").rglob("*.json")
    path.write_text(json.dumps(run | {"machine_info": {}}))

    runs = open_history(tmp_path / "history", use_cache=False).runs

    assert machines(runs) == {UNKNOWN: UNKNOWN}
    assert len(of_machine(runs, UNKNOWN)) == 1


def test_runs_are_listed_newest_first_with_day_commit_and_branch(history_of):
    history = history_of(
        stored_run(forward({"eager": 1e-3}), day=1, commit="1" * 40),
        stored_run(forward({"eager": 1e-3}), day=2, commit="2" * 40, branch=EVIL),
    )

    labels = list(run_labels(of_machine(history.runs, "aaaaaaaaaa")).values())

    assert labels == [f"2026-01-03 12:00 UTC · 22222222 · {EVIL}", "2026-01-02 12:00 UTC · 11111111 · main"]


def test_benchmarks_stand_together_by_function_and_shape():
    run = Run.from_json(
        stored_run(
            [
                *forward({"eager": 2e-3, "compile": 1e-3}),
                *forward({"eager": 2e-5}, shape="single"),
                stored_benchmark("test_price_csv", (), 3.0),
            ]
        )
    )

    groups = groups_of(run.benchmarks)

    assert {group: list(shapes) for group, shapes in groups.items()} == {
        "forward": ["full", "single"],
        "price_csv": ["all"],
    }
    assert [row.name for row in side(groups["forward"]["full"]).rows] == ["eager", "compile"]


def test_the_table_shows_time_spread_ratio_and_rows():
    run = Run.from_json(stored_run(forward({"eager": 2e-3, "compile": 1e-3})))

    table = table_frame(side(run.benchmarks))

    # By hand: 1 ms / 2 ms, 2048 rows / 1 ms, an interquartile range of a fifth of the median.
    assert table.loc[1, ["contestant", "median", "IQR", "/ eager", "rows"]].tolist() == [
        "compile",
        "1.00 ms",
        "200 µs",
        "0.50",
        "2.05 M/s",
    ]


def test_a_single_event_has_no_quartiles():
    entry = stored_benchmark("test_first_call", ("eager", "full"), 2.0, samples=[2.0])
    run = Run.from_json(stored_run([entry]))

    assert medians_frame(run.benchmarks)[["q1", "q3"]].isna().all(axis=None)


def test_samples_are_those_of_the_file():
    samples = {"eager": [1.0, 2.0, 3.0], "fx": [4.0, 5.0]}
    entries = [stored_benchmark("test_forward", (mode, "full"), 2.0, samples=found) for mode, found in samples.items()]
    run = Run.from_json(stored_run(entries))

    frame = samples_frame(run.benchmarks)

    assert {name: list(part) for name, part in frame.groupby("name")["seconds"]} == samples
    assert samples_frame(Run.from_json(stored_run(forward({"eager": 1.0}))).benchmarks).empty


def test_the_limit_of_the_picture_leaves_out_at_most_one_in_a_hundred():
    chance = np.random.default_rng(1)
    entries = [
        stored_benchmark("test_forward", (mode, "full"), 2.0, samples=chance.lognormal(0, 1, 1000).tolist())
        for mode in ("eager", "fx")
    ]
    frame = samples_frame(Run.from_json(stored_run(entries)).benchmarks)

    limit = slowest_shown(frame)

    assert (frame["seconds"] > limit).groupby(frame["name"]).mean().max() <= 0.01


def test_conditions_and_warnings_travel_with_the_numbers():
    run = Run.from_json(stored_run(forward({"eager": 1.0}), warnings=["busy machine"], commit="c" * 40))

    told = " ".join(conditions(run))

    assert "Test CPU" in told
    assert "cccccccc on main" in told
    assert "synthetic" in told
    assert warnings_of(run, run.benchmarks) == ["busy machine"]


def test_numbers_that_nobody_checked_are_named():
    entries = forward({"eager": 1.0, "fx": 1.0})
    entries[1]["extra_info"]["max_abs_error"] = None
    run = Run.from_json(stored_run(entries))

    assert warnings_of(run, run.benchmarks) == ["not checked against eager in float64: fx"]


def test_raw_json_keeps_all_but_long_samples():
    run = stored_run(forward({"eager": 1.0}, samples=[float(number) for number in range(100)]))

    shown = without_samples(json.dumps(run).encode())

    assert shown["benchmarks"][0]["stats"]["data"] == [0.0, 1.0, 2.0, 3.0, 4.0, "… and 95 more"]
    run["benchmarks"][0]["stats"].pop("data")
    shown["benchmarks"][0]["stats"].pop("data")
    assert shown == run


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'{"benchmarks": [1, {"stats": 2}]}', b'"text"'])
def test_any_content_can_be_looked_at(content):
    without_samples(content)


def test_a_new_file_changes_the_key_and_an_old_one_does_not(tmp_path):
    keep(tmp_path, stored_run([]), number=1)
    before = folders_changed(tmp_path)
    again = folders_changed(tmp_path)

    keep(tmp_path, stored_run([]), number=2)
    # A file system's clock may tick slower than this test.
    os.utime(tmp_path / "history" / "aaaaaaaaaa", ns=(1, 1))

    assert before == again
    assert folders_changed(tmp_path) != before


def test_a_missing_folder_has_no_key(tmp_path):
    assert folders_changed(tmp_path / "none") == ()
