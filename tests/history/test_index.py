"""Which files are runs, which are none and why, and where they may lie."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import fsspec
import pytest

from pricebench.history import HistoryError, open_history
from pricebench.history.places import RemoteFolder
from tests.history.making import aged, entry, medians, run, store


def test_plain_packed_and_nested_files_are_found(folder, opened):
    store(folder, run(number=0), "a.json")
    store(folder, run(number=1), "deep/er/b.json")
    (folder / "c.json.gz").write_bytes(gzip.compress(json.dumps(run(number=2)).encode()))
    (folder / "notes.txt").write_text("no run")

    history = opened()

    assert history.run_table["run"].to_pylist() == ["a", "deep/er/b", "c"]
    assert history.run("c").benchmarks[0].samples == (0.9, 1.0, 1.2)
    assert json.loads(history.raw("c")) == run(number=2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"   \n", "empty file"),
        (b"{", "half-written"),
        (json.dumps(run()).encode()[:-40], "half-written"),
        (gzip.compress(json.dumps(run()).encode())[:-20], "expected gzip"),
        (b"\x1f\x8b garbage", "expected gzip"),
        (b"\xff\xfe\x00binary", "half-written"),
        (b"null", "; expected an object, found null"),
        (b"[1, 2]", "; expected an object, found a list"),
        (b'"text"', "; expected an object, found 'text'"),
        (b'{"benchmarks": []}', "machine_info: expected an object, found nothing"),
        # What google/benchmark and pyperf write.
        (
            b'{"context": {}, "benchmarks": [{"name": "x", "real_time": 1.0}]}',
            "machine_info: expected an object, found nothing",
        ),
        (b'{"version": "1.0", "benchmarks": [{"runs": []}]}', "machine_info: expected an object, found nothing"),
        (json.dumps(run(entry("\ud800"))).encode(), "expected JSON"),
        (b"[" * 100_000, "half-written"),
        (
            json.dumps(run() | {"benchmarks": [{"name": "x"}]}).encode(),
            "benchmarks[0].fullname: expected text, found nothing",
        ),
        (json.dumps(run() | {"benchmarks": 5}).encode(), "benchmarks: expected a list, found 5"),
    ],
)
def test_a_file_that_is_no_run_is_listed_with_its_reason_and_stops_nothing(folder, opened, content, reason):
    store(folder, run(number=0))
    (folder / "bad.json").write_bytes(content)

    history = opened()

    assert history.run_table.num_rows == 1
    ((path, found),) = history.unreadable
    assert path == "bad.json"
    assert reason in found
    assert "\n" not in found


@pytest.mark.parametrize("number", [2**70, -1, "many"])
def test_an_impossible_count_makes_a_file_foreign(folder, opened, number):
    strange = entry()
    strange["stats"]["rounds"] = number
    store(folder, run(strange))

    assert "benchmarks[0].stats.rounds: expected a count, found" in opened().unreadable[0].reason


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("benchmarks", 1, "stats"), None, "benchmarks[1].stats: expected an object, found null"),
        (
            ("benchmarks", 1, "stats", "median"),
            -1.0,
            "benchmarks[1].stats.median: expected seconds, at least 0, found -1",
        ),
        (("benchmarks", 1, "stats", "median"), "1.5", "stats.median: expected seconds, at least 0, found '1.5'"),
        (("benchmarks", 1, "stats", "median"), 10**400, "stats.median: expected seconds, at least 0, found 1000"),
        (("benchmarks", 1, "stats", "iqr"), True, "stats.iqr: expected seconds, at least 0, found true"),
        (("benchmarks", 1, "stats", "stddev"), -1e-9, "stats.stddev: expected seconds, at least 0, found -1e-09"),
        (("benchmarks", 1, "stats", "rounds"), 2.5, "stats.rounds: expected a count, found 2.5"),
        (("benchmarks", 0), 7, "benchmarks[0]: expected an object, found 7"),
        (("benchmarks", 0, "name"), ["x"], "benchmarks[0].name: expected text, found a list"),
        (("benchmarks", 0, "extra_info"), "rows", "benchmarks[0].extra_info: expected an object, found 'rows'"),
        (("benchmarks", 0, "options"), [], "benchmarks[0].options: expected an object, found a list"),
        (("machine_info",), "a\nb", "machine_info: expected an object, found 'a?b'"),
        (("machine_info", "fingerprint"), 5, "machine_info.fingerprint: expected text, found 5"),
        (("machine_info", "facts", "cpu"), {}, "machine_info.facts.cpu: expected text or a number, found an object"),
        (("commit_info", "dirty"), "no", "commit_info.dirty: expected true or false, found 'no'"),
        (("pricebench", "warnings"), "busy", "pricebench.warnings: expected a list of texts, found 'busy'"),
        (("datetime",), 1764028800, "datetime: expected text, found 1764028800"),
    ],
)
def test_what_is_wrong_in_a_run_is_named_by_its_key(folder, opened, path, value, says):
    content = run(entry(), entry("test_g"))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    store(folder, content)

    ((_, reason),) = opened().unreadable

    assert says in reason


def test_a_wrong_sample_is_named_when_its_run_is_read(folder, opened):
    strange = entry()
    strange["stats"]["data"][1] = None
    store(folder, run(strange))

    with pytest.raises(HistoryError, match=r"\[0\]\.stats\.data\[1\]: expected seconds, at least 0, found null"):
        opened().run("last")


def test_a_pipe_and_a_device_that_are_called_runs_are_listed_and_not_read(folder, opened):
    store(folder, run())
    os.mkfifo(folder / "pipe.json")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "folder.json").symlink_to(folder / "0123456789")

    assert opened().unreadable == (
        ("folder.json", "expected a readable file, found: Is a directory"),
        ("pipe.json", "expected a readable file, found: a pipe instead of a file"),
        ("zero.json", "expected a readable file, found: a device instead of a file"),
    )


def test_a_link_to_a_run_is_a_run(folder, opened, tmp_path):
    store(tmp_path / "elsewhere", run(), "run.json")
    folder.mkdir()
    (folder / "link.json").symlink_to(tmp_path / "elsewhere" / "run.json")

    assert opened().run_table["run"].to_pylist() == ["link"]


def test_a_plain_file_is_no_larger_than_an_unpacked_one_may_be(folder, opened):
    store(folder, run())
    with (folder / "large.json").open("wb") as file:
        file.truncate(512 * 1024 * 1024 + 1)  # a hole: it takes no room

    ((path, reason),) = opened().unreadable

    assert path == "large.json"
    assert "536,870,913 bytes, more than 536,870,912" in reason


def test_numbers_that_json_lacks_are_read_and_stay_unknown(folder, opened):
    strange = entry(median=float("nan"))
    strange["stats"]["max"] = float("inf")
    store(folder, run(strange, entry("test_g", 2.0)))

    history = opened()

    assert history.unreadable == ()
    assert history.changes() == ()


def test_many_files_are_read_by_several_processes_to_the_same_result(tmp_path):
    folder = tmp_path / "history"
    for number in range(420):
        store(folder, run(entry(median=1.0 + number), number=number))
    (folder / "bad.json").write_text("{")

    history = open_history(folder, cache_home=tmp_path / "cache")

    assert history.num_read == 421
    assert medians(history) == [1.0 + number for number in range(420)]
    assert [each.path for each in history.unreadable] == ["bad.json"]


def test_a_folder_that_is_not_there_says_how_to_make_a_run(tmp_path):
    with pytest.raises(HistoryError, match="Run: pytest benchmarks"):
        open_history(tmp_path / "none")


def test_an_empty_folder_is_an_empty_history(tmp_path):
    history = open_history(tmp_path, cache_home=tmp_path / "cache")

    assert history.run_table.num_rows == 0
    assert len(history.runs) == len(history.benchmarks) == len(history.measurement_table) == 0
    assert history.changes() == ()


def test_a_loop_of_links_ends(folder, opened):
    store(folder, run())
    (folder / "again").symlink_to(folder, target_is_directory=True)

    assert opened().run_table.num_rows == 1


def test_a_link_that_leads_nowhere_is_listed(folder, opened):
    store(folder, run())
    (folder / "gone.json").symlink_to(folder / "nothing.json")

    assert opened().unreadable == (("gone.json", "expected a readable file, found: No such file or directory"),)


def test_a_url_is_read_like_a_folder(tmp_path):
    system = fsspec.filesystem("memory")
    packed = gzip.compress(json.dumps(run(entry(median=2.0), number=1)).encode())
    system.pipe({"/bucket/a.json": json.dumps(run()).encode(), "/bucket/x/b.json.gz": packed, "/bucket/c.json": b"{"})

    first = open_history("memory://bucket", cache_home=tmp_path)
    second = open_history("memory://bucket", cache_home=tmp_path)

    assert medians(second) == medians(first) == [1.0, 2.0]
    assert (first.num_read, second.num_read) == (3, 0)
    assert second.run("x/b").benchmarks[0].median == 2.0
    assert [each.path for each in first.unreadable] == ["c.json"]


def test_a_changed_file_behind_a_url_is_read_again(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe("/changing/a.json", json.dumps(run()).encode())
    open_history("memory://changing", cache_home=tmp_path)
    system.pipe("/changing/a.json", json.dumps(run(entry(median=4.0))).encode())

    assert medians(open_history("memory://changing", cache_home=tmp_path)) == [4.0]


@pytest.mark.parametrize("url", ["nonsense://x", "memory://not-there"])
def test_a_url_that_leads_nowhere_is_one_line(url, tmp_path):
    with pytest.raises(HistoryError) as caught:
        open_history(url, cache_home=tmp_path)

    assert "\n" not in str(caught.value)


def test_a_file_url_is_a_local_folder(tmp_path):
    store(tmp_path, run())

    assert open_history(f"file://{tmp_path}", cache_home=tmp_path / "cache").name == str(tmp_path)


def test_credentials_of_a_url_are_not_shown():
    assert RemoteFolder("https://user:secret@example.org/runs?token=abc").name == "https://example.org/runs"


def test_opening_imports_neither_torch_nor_pandas(tmp_path):
    for number in range(20):
        aged(tmp_path, run(entry(median=1.0 + number // 10), number=number))
    assert len(open_history(tmp_path, cache_home=tmp_path / "cache").changes()) == 1
    code = (
        "import sys; from pathlib import Path; from pricebench.history import open_history;"
        "h = open_history(Path(sys.argv[1]), cache_home=Path(sys.argv[2])); h.changes(), h.run_rows;"
        "print(h.num_read, sorted({'torch', 'pandas'} & set(sys.modules)))"
    )

    command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "cache")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "0 []"
