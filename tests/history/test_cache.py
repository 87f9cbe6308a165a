"""What an open keeps for the next one, and that losing it loses nothing."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pricebench.history import open_history
from tests.history.making import age, aged, entry, medians, run, store


def test_a_second_open_reads_nothing_again(folder, opened):
    aged(folder, run(entry(median=1.0), number=0))
    aged(folder, run(entry(median=2.0), number=1))
    aged(folder, run(number=2) | {"benchmarks": 5}, "bad.json")

    first, second = opened(), opened()

    assert (first.num_read, second.num_read) == (3, 0)
    assert medians(second) == medians(first) == [1.0, 2.0]
    assert second.unreadable == first.unreadable
    assert second.run_table.equals(first.run_table)


def test_one_new_run_costs_only_itself(folder, opened):
    aged(folder, run(number=0))
    opened()
    aged(folder, run(entry(median=3.0), number=1))

    history = opened()

    assert history.num_read == 1
    assert medians(history) == [1.0, 3.0]


def test_a_changed_file_is_read_again_and_a_deleted_one_is_gone(folder, opened):
    changed = aged(folder, run(entry(median=1.0), number=0))
    deleted = aged(folder, run(entry(median=2.0), number=1))
    opened()
    store(folder, run(entry(median=5.0), number=0))
    age(changed, 30)
    deleted.unlink()

    history = opened()

    assert medians(history) == [5.0]
    assert history.num_read == 1


def test_a_file_that_was_half_written_is_read_when_it_is_whole(folder, opened):
    path = aged(folder, run())
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert opened().run_table.num_rows == 0
    path.write_bytes(whole)

    assert opened().run_table.num_rows == 1


def test_a_file_of_this_moment_is_not_trusted_to_the_cache(folder, opened):
    # Written twice within one tick of the clock, at the same size, its stamp would not change.
    store(folder, run())

    opened()

    assert opened().num_read == 1


def test_deleting_the_cache_loses_nothing(folder, opened, tmp_path):
    aged(folder, run(entry(median=2.0)))
    opened()
    for path in sorted((tmp_path / "cache").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()

    assert medians(opened()) == [2.0]


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda _: b"", lambda _: b"ARROW1 but no"])
def test_a_damaged_cache_is_thrown_away_and_made_again(folder, opened, tmp_path, damage):
    aged(folder, run(entry(median=2.0)))
    opened()
    (segment,) = (tmp_path / "cache").rglob("*.arrow")
    segment.write_bytes(damage(segment.read_bytes()))

    history = opened()

    assert (medians(history), history.num_read) == ([2.0], 1)
    assert opened().num_read == 0


def test_a_cache_of_another_version_is_replaced(folder, opened, tmp_path):
    aged(folder, run())
    opened()
    (segment,) = (tmp_path / "cache").rglob("*.arrow")
    version, _, rest = segment.name.partition("-")
    segment.rename(segment.with_name(f"v0-{rest}"))

    assert opened().num_read == 1
    assert [path.name.partition("-")[0] for path in (tmp_path / "cache").rglob("*.arrow")] == [version]


def test_many_small_segments_become_one(folder, opened, tmp_path):
    for number in range(20):
        aged(folder, run(entry(median=1.0 + number), number=number))
        history = opened()

    assert len(list((tmp_path / "cache").rglob("*.arrow"))) < 10
    assert medians(history) == [1.0 + number for number in range(20)]
    assert opened().num_read == 0


def test_readers_at_once_see_the_same_and_leave_a_good_cache(folder, opened):
    for number in range(30):
        aged(folder, run(entry(median=1.0 + number), number=number))

    with ThreadPoolExecutor(8) as readers:
        found = list(readers.map(lambda _: medians(opened()), range(24)))

    assert all(each == [1.0 + number for number in range(30)] for each in found)
    assert opened().num_read == 0


def test_nothing_is_written_beside_the_runs(folder, opened):
    aged(folder, run())

    opened()

    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["0001_00000000.json"]


def test_without_cache_nothing_is_written_anywhere(folder, tmp_path):
    aged(folder, run())

    open_history(folder, cache_home=tmp_path / "cache", use_cache=False)

    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a folder is made unwritable in another way there")
def test_a_cache_that_cannot_be_written_stops_nothing(folder, tmp_path):
    aged(folder, run(entry(median=2.0)))
    (tmp_path / "file").write_text("in the way of a folder")

    history = open_history(folder, cache_home=tmp_path / "file")

    assert medians(history) == [2.0]
