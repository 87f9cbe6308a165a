from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricebench.history import open_history, read_run

GOLDEN = Path(__file__).parents[1] / "golden" / "pytest_benchmark"
FILES = sorted(GOLDEN.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_version_is_read_to_the_last_digit(path):
    written = json.loads(path.read_text())

    run = read_run(path)

    assert run.version == written["version"]
    assert run.commit == written["commit_info"]["id"]
    for benchmark, entry in zip(run.benchmarks, written["benchmarks"], strict=True):
        stats = entry["stats"]
        assert benchmark.fullname == entry["fullname"]
        assert (benchmark.median, benchmark.iqr) == (stats["median"], stats["iqr"])
        assert (benchmark.minimum, benchmark.maximum) == (stats["min"], stats["max"])
        assert (benchmark.mean, benchmark.stddev) == (stats["mean"], stats["stddev"])
        assert (benchmark.q1, benchmark.q3) == (stats["q1"], stats["q3"])
        assert (benchmark.rounds, benchmark.iterations) == (stats["rounds"], stats["iterations"])
        assert benchmark.timer == "perf_counter"
        assert list(benchmark.samples) == stats.get("data", [])


def test_the_golden_files_span_eleven_years_of_versions():
    assert [path.stem for path in FILES] == [
        "3.0.0", "3.1.1", "3.2.3", "3.4.1", "4.0.0", "5.1.0", "5.3.1", "5.3.1_autosave"
    ]  # fmt: skip


def test_what_the_oldest_version_did_not_write_is_unknown():
    run = read_run(GOLDEN / "3.0.0.json")

    assert (run.branch, run.commit_time, run.fingerprint) == (None, None, None)
    assert "cpu" not in run.facts
    assert "logical_cores" not in run.facts
    assert run.benchmarks[0].extra_info == {}


def test_a_time_without_zone_is_utc_as_versions_before_five_meant_it():
    assert read_run(GOLDEN / "4.0.0.json").stored_at == datetime(2026, 11, 23, 13, 5, 24, 240619, tzinfo=UTC)


def test_autosave_without_data_has_the_statistics_and_no_samples():
    run = read_run(GOLDEN / "5.3.1_autosave.json")

    assert run.benchmarks[-1].median == 1.5322999956879358e-07
    assert run.benchmarks[-1].samples == ()


def test_plain_pytest_benchmark_is_told_apart_by_the_facts_that_it_states():
    machines = {path.stem: read_run(path).machine for path in FILES}

    assert machines["5.1.0"] == machines["5.3.1"]  # one machine, one Python
    assert machines["3.4.1"] != machines["5.1.0"]  # Python 3.8 against 3.11
    assert all(machine.startswith("partial-") for machine in machines.values())


def test_all_versions_open_as_one_history(tmp_path):
    history = open_history(GOLDEN, cache_home=tmp_path)

    assert history.unreadable == ()
    assert history.run_table["version"].to_pylist().count("5.3.1") == 2
    assert len(history.measurements.run_index) == 22  # 7 files of 3 and one of 1
