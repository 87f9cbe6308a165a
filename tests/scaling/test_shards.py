from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.errors import DataError
from pricebench.scaling.shards import Shard, cut, file_of, find, together
from tests.scaling import HEADER, HOUSE, write_parquet

counts = st.lists(st.integers(0, 50), min_size=1, max_size=40)


@given(group_rows=counts, shard_rows=st.integers(1, 100))
def test_every_row_group_is_in_one_shard_and_in_order(group_rows, shard_rows):
    bounds = together(group_rows, shard_rows)

    assert [group for start, stop in bounds for group in range(start, stop)] == list(range(len(group_rows)))


@given(group_rows=counts, shard_rows=st.integers(1, 100))
def test_a_shard_has_more_rows_than_wanted_only_where_one_row_group_has(group_rows, shard_rows):
    for start, stop in together(group_rows, shard_rows):
        assert stop - start == 1 or sum(group_rows[start:stop]) <= shard_rows


@given(group_rows=counts, shard_rows=st.integers(1, 100))
def test_neighbours_that_would_fit_into_one_shard_are_not_cut(group_rows, shard_rows):
    bounds = together(group_rows, shard_rows)

    for (start, stop), (_, _) in pairwise(bounds):
        assert sum(group_rows[start : stop + 1]) > shard_rows


def test_a_large_parquet_file_is_cut_and_knows_which_rows_it_holds(tmp_path):
    write_parquet(tmp_path / "a.parquet", 1000, seed=1, group_rows=300)

    shards = cut(find([str(tmp_path / "a.parquet")]), shard_rows=600)

    assert [(shard.row_groups, shard.first_row) for shard in shards] == [((0, 2), 1), ((2, 4), 601)]


def test_a_csv_and_a_small_file_are_a_shard_each(tmp_path):
    write_parquet(tmp_path / "b.parquet", 1000, seed=1, group_rows=300)
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *[HOUSE] * 1000]))

    shards = cut(find([str(tmp_path)]), shard_rows=1000)

    assert [(shard.file, shard.row_groups) for shard in shards] == [
        ("prices-00000.csv", None),
        ("prices-00001.parquet", None),
    ]


@pytest.mark.parametrize("num_shards", [1, 12, 100_000, 100_001])
def test_names_of_shards_sort_as_their_rows(num_shards):
    files = [file_of(index, num_shards, is_parquet=index % 2 == 0) for index in range(num_shards)]

    assert files == sorted(files)
    assert len({len(file.partition(".")[0]) for file in files}) == 1


def test_a_shard_is_the_same_after_json(tmp_path):
    write_parquet(tmp_path / "a.parquet", 10, seed=1, group_rows=3)

    for shard in cut(find([str(tmp_path / "a.parquet")]), shard_rows=3):
        assert Shard.from_json(shard.to_json()) == shard


def test_files_come_in_the_order_in_which_they_are_named_and_those_of_a_pattern_by_name(tmp_path):
    for name in ("b1.csv", "a2.csv", "a1.csv"):
        (tmp_path / name).write_text(f"{HEADER}\n{HOUSE}\n")

    found = find([str(tmp_path / "b1.csv"), str(tmp_path / "a*.csv")])

    assert [file.name.rpartition("/")[2] for file in found] == ["b1.csv", "a1.csv", "a2.csv"]


def test_a_file_whose_name_looks_like_a_pattern_is_found_by_its_name(tmp_path):
    for name in ("a[1].csv", "a1.csv"):
        (tmp_path / name).write_text(f"{HEADER}\n{HOUSE}\n")

    (found,) = find([str(tmp_path / "a[1].csv")])

    assert found.name.endswith("a[1].csv")


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [("*.csv", "Check the path and the pattern."), ("no.csv", "Check the path; a folder needs .csv or .parquet files")],
)
def test_a_pattern_that_leads_nowhere_is_named(tmp_path, pattern, hint):
    with pytest.raises(DataError) as error:
        find([str(tmp_path / pattern)])

    assert str(error.value).startswith(f"{tmp_path / pattern}: expected files of houses, found none. {hint}")


def test_a_file_that_is_named_twice_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text(f"{HEADER}\n{HOUSE}\n")

    with pytest.raises(DataError, match=r"a\.csv: expected once, found 2 times"):
        find([str(tmp_path / "a.csv"), str(tmp_path / "*.csv")])
