from __future__ import annotations

import json

import pytest

from pricebench.history import HistoryError, read_run, stored_runs

RUN = {
    "machine_info": {"fingerprint": "0123456789", "facts": {"cpu": "A"}},
    "commit_info": {"id": "abcdef", "dirty": False},
    "datetime": "2026-11-23T00:00:00+00:00",
    "version": "5.3.1",
    "pricebench": {"data": "houses.csv", "warnings": ["busy machine"]},
    "benchmarks": [
        {
            "name": "test_forward[eager-full]",
            "fullname": "benchmarks/test_inference.py::test_forward[eager-full]",
            "stats": {"median": 0.5, "iqr": 0.1, "rounds": 3},
            "extra_info": {"rows": 2048},
        }
    ],
}


def test_a_run_is_read_with_what_travels_with_it(tmp_path):
    path = tmp_path / "0001_abc_time.json"
    path.write_text(json.dumps(RUN))

    run = read_run(path)

    assert (run.fingerprint, run.commit, run.data) == ("0123456789", "abcdef", "houses.csv")
    assert run.warnings == ("busy machine",)
    assert run.benchmarks[0].params == ("eager", "full")
    assert run.benchmarks[0].median == 0.5


def test_a_run_of_plain_pytest_benchmark_has_no_fingerprint(tmp_path):
    path = tmp_path / "0001.json"
    path.write_text(json.dumps({**RUN, "machine_info": {"node": "x"}, "pricebench": None}))

    run = read_run(path)

    assert run.fingerprint is None
    assert run.data == "unknown"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[]", "expected the JSON of pytest-benchmark"),
        ("{}", "expected the JSON of pytest-benchmark"),
        (json.dumps({**RUN, "benchmarks": [{"name": "x"}]}), "expected the JSON of pytest-benchmark"),
    ],
)
def test_a_broken_or_foreign_file_is_refused_by_name(tmp_path, content, says):
    path = tmp_path / "0001_x.json"
    path.write_text(content)

    with pytest.raises(HistoryError, match=says) as caught:
        read_run(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_how_to_make_a_run(tmp_path):
    with pytest.raises(HistoryError, match="pytest benchmarks"):
        read_run(tmp_path / "none.json")


def test_stored_runs_are_oldest_first_and_only_runs(tmp_path):
    for name in ("0010_a.json", "0002_b.json", "notes.json", "0003_c.txt"):
        (tmp_path / name).write_text("{}")

    assert [path.name for path in stored_runs(tmp_path)] == ["0002_b.json", "0010_a.json"]
    assert stored_runs(tmp_path / "none") == []
