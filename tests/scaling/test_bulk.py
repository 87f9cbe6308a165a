from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from pricebench.data import make_houses
from pricebench.errors import DataError
from pricebench.scaling.bulk import begin, plan, run
from pricebench.scaling.engines import here
from pricebench.scaling.manifest import Manifest, Options
from pricebench.serving import PRICE_COLUMN, Predictor
from tests.scaling import HEADER, HOUSE, contents, pricing_to, saved_model, write_parquet
from tests.serving import untrained_artifacts

OPTIONS = Options(
    model="1973",
    mode="eager",
    transforms=(),
    threads=1,
    shard_rows=1000,
    keeps_bad_rows=False,
    torch="2.15.0",
)


class StoppedError(Exception):
    """In place of Ctrl-C, or of a kill that lets Python end."""


@pytest.fixture
def artifacts(tmp_path):
    return saved_model(tmp_path / "artifacts")


@pytest.fixture
def price(tmp_path, artifacts):
    """Price what is in `data` into a folder; stop after some shards if asked."""

    def price(name="out", *, stop_after=None, is_resumed=False, bad_rows=None, options=OPTIONS):
        options = replace(options, keeps_bad_rows=bad_rows is not None)
        out = str(tmp_path / name)
        job = begin(plan([str(tmp_path / "data")], options), out, is_resumed=is_resumed)
        if job.is_complete:
            return job
        seen = []

        def show(finished):
            seen.append(finished)
            if len(seen) == stop_after:
                raise StoppedError

        pricing = pricing_to(out, artifacts, keeps_bad_rows=bad_rows is not None)
        engine = here(pricing, pricing.predictor())
        return run(job, out, engine, bad_rows=None if bad_rows is None else str(bad_rows), show=show)

    return price


@pytest.fixture
def houses(tmp_path):
    """Three files: Parquet that is cut into three, a CSV, and Parquet that is one shard; in this order."""
    write_parquet(tmp_path / "data" / "a.parquet", 2500, seed=1, group_rows=500)
    rows = make_houses(700, seed=2).features_NF.tolist()
    (tmp_path / "data" / "b.csv").write_text(
        "\n".join([f"{HEADER},house", *(",".join(map(repr, row)) + f",b-{n}" for n, row in enumerate(rows, 1))])
    )
    write_parquet(tmp_path / "data" / "c.parquet", 300, seed=3)
    return tmp_path / "data"


def written_houses(folder):
    """The column that says which house a row was, through all files by name."""
    names = []
    for path in sorted(folder.glob("prices-*")):
        if path.suffix == ".parquet":
            names += pq.read_table(path).column("house").to_pylist()
        else:
            with path.open(newline="") as file:
                names += [row["house"] for row in csv.DictReader(file)]
    return names


EVERY_HOUSE = [f"{file}-{row}" for file, count in (("a", 2500), ("b", 700), ("c", 300)) for row in range(1, count + 1)]


@pytest.mark.usefixtures("houses")
def test_every_row_is_written_once_and_in_order(price, tmp_path):
    job = price()

    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "manifest.json",
        "prices-00000.parquet",
        "prices-00001.parquet",
        "prices-00002.parquet",
        "prices-00003.csv",
        "prices-00004.parquet",
    ]
    assert written_houses(tmp_path / "out") == EVERY_HOUSE
    assert [job.finished[index].rows for index in range(5)] == [1000, 1000, 500, 700, 300]


def test_a_row_keeps_its_columns_and_gets_the_price_of_the_predictor(price, houses, tmp_path):
    price()

    source, priced = pq.read_table(houses / "c.parquet"), pq.read_table(tmp_path / "out" / "prices-00004.parquet")
    assert priced.column_names == [*source.column_names, PRICE_COLUMN]
    assert priced.drop_columns(PRICE_COLUMN).equals(source)
    expected = Predictor(untrained_artifacts()).predict(make_houses(300, seed=3).features_NF)
    np.testing.assert_allclose(priced.column(PRICE_COLUMN).to_numpy(), expected, rtol=2.0**-22, atol=0.005)


def test_the_manifest_says_what_was_priced_with_what_and_into_which_bytes(price, houses, tmp_path):
    price()

    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (record["format"], record["version"], record["complete"]) == ("pricebench.prices", 1, True)
    assert [(file["name"], file["size"]) for file in record["inputs"]] == [
        (str(path), path.stat().st_size) for path in sorted(houses.iterdir())
    ]
    assert record["options"]["model"] == "1973"
    for shard in record["finished"]:
        content = (tmp_path / "out" / shard["file"]).read_bytes()
        assert (shard["size"], shard["digest"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.usefixtures("houses")
@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_job_that_was_stopped_is_resumed_to_the_same_bytes(price, tmp_path, stop_after):
    price("whole")

    with pytest.raises(StoppedError):
        price(stop_after=stop_after)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("prices-*")}
    job = price(is_resumed=True)

    assert len(kept) == stop_after
    assert job.is_complete
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was whole was not priced again"


@pytest.mark.usefixtures("houses")
def test_half_of_a_file_of_a_killed_process_is_removed_and_a_file_that_changed_is_priced_again(price, tmp_path):
    price("whole")
    with pytest.raises(StoppedError):
        price(stop_after=3)
    (tmp_path / "out" / ".prices-00003.csv.x7").write_text("half")
    (tmp_path / "out" / "prices-00001.parquet").write_text("somebody's")

    price(is_resumed=True)

    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.usefixtures("houses")
def test_a_finished_job_is_left_alone(price, tmp_path):
    price()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}

    assert price(is_resumed=True).is_complete
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.usefixtures("houses")
def test_prices_of_a_job_are_not_overwritten_without_being_asked(price):
    price()

    with pytest.raises(DataError, match=r"found the prices of a job\. Go on with it: --resume"):
        price()


@pytest.mark.usefixtures("houses")
def test_prices_of_somebody_else_are_not_overwritten(price, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "prices-2024.csv").write_text("mine")

    for is_resumed in (False, True):
        with pytest.raises(DataError, match=r"expected a folder without prices, found prices-2024\.csv"):
            price(is_resumed=is_resumed)


@pytest.mark.usefixtures("houses")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "1974"}, "model: then 1973, now 1974"),
        ({"mode": "compile"}, "mode: then eager, now compile"),
        ({"transforms": ("int8",)}, "transforms: then none, now int8"),
        ({"threads": 2}, "threads: then 1, now 2"),
        ({"shard_rows": 500}, "shard_rows: then 1,000, now 500"),
        ({"torch": "2.16.0"}, "torch: then 2.15.0, now 2.16.0"),
    ],
)
def test_a_job_is_not_resumed_as_another(price, change, says):
    with pytest.raises(StoppedError):
        price(stop_after=2)

    with pytest.raises(DataError) as error:
        price(is_resumed=True, options=replace(OPTIONS, **change))

    assert f"found other {says}. Price into a new folder." in str(error.value)


def test_a_job_is_not_resumed_with_files_that_changed_or_are_more(price, houses):
    with pytest.raises(StoppedError):
        price(stop_after=2)
    content = (houses / "b.csv").read_text()

    (houses / "b.csv").write_text(content + "\n")
    with pytest.raises(DataError, match=r"found other .*b\.csv: then .* bytes of"):
        price(is_resumed=True)
    write_parquet(houses / "d.parquet", 10, seed=1)
    with pytest.raises(DataError, match=r"found other files: then .*, now .* and 1 more"):
        price(is_resumed=True)


@pytest.mark.usefixtures("houses")
def test_a_manifest_of_another_version_is_refused_in_one_line(price, tmp_path):
    price()
    path = tmp_path / "out" / "manifest.json"
    path.write_text(path.read_text().replace('"version":1', '"version":2'))

    with pytest.raises(DataError, match=r"manifest\.json: expected a manifest of version 1, found another"):
        Manifest.load(str(tmp_path / "out"))


# ---- bad rows ------------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_houses(tmp_path):
    """Two files with a bad row in each of three shards, and one missing value."""
    rows = [HOUSE] * 1500
    rows[2] = "x,6,7,4.1,36000"
    rows[1400] = "68000,6,-7,4.1,36000"
    rows[7] = "68000,,7,4.1,36000"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("\n".join([HEADER, *rows]))
    table = write_parquet(tmp_path / "data" / "b.parquet", 2000, seed=1, group_rows=1000)
    columns = pq.read_table(table)
    ages = columns.column("house_age").to_pylist()
    ages[1999] = -1.5
    pq.write_table(columns.set_column(1, "house_age", [ages]), table, row_group_size=1000)
    return tmp_path / "data"


def bad_lines(folder):
    return [
        ["file", "row", "column", "value", "expected"],
        [str(folder / "a.csv"), "3", "income", "x", "a number"],
        [str(folder / "a.csv"), "1401", "rooms", "-7", "a finite number above 0 (rooms per house)"],
        [str(folder / "b.parquet"), "2000", "house_age", "-1.5", "a finite number at least 0 (years)"],
    ]


def lines_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.usefixtures("bad_houses")
def test_a_bad_row_stops_the_job_and_names_its_file_row_column_and_value(price, tmp_path):
    with pytest.raises(DataError) as error:
        price()

    assert str(error.value) == "a.csv, row 3: income is 'x', expected a number. Fix the row or drop it."
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.json"]


def test_a_job_of_which_nothing_was_priced_may_be_begun_again(price, bad_houses):
    with pytest.raises(DataError):
        price()
    (bad_houses / "a.csv").write_text(f"{HEADER}\n{HOUSE}\n")
    (bad_houses / "b.parquet").unlink()

    assert price().is_complete


def test_bad_rows_are_listed_and_kept_without_a_price(price, bad_houses, tmp_path):
    job = price(bad_rows=tmp_path / "bad.csv")

    assert lines_of(tmp_path / "bad.csv") == bad_lines(bad_houses)
    assert [(done.rows, done.bad, done.missing) for done in job.finished.values()] == [
        (1500, 2, 1),
        (1000, 0, 0),
        (1000, 1, 0),
    ]
    (_, *rows) = lines_of(tmp_path / "out" / "prices-00000.csv")
    assert [number for number, row in enumerate(rows, 1) if row[-1] == ""] == [3, 8, 1401]
    assert rows[2] == ["x", "6", "7", "4.1", "36000", ""]
    last = pq.read_table(tmp_path / "out" / "prices-00002.parquet").column(PRICE_COLUMN).to_pylist()
    assert last.index(None) == 999
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_the_list_of_bad_rows_is_whole_after_a_job_was_stopped(price, bad_houses, tmp_path, stop_after):
    with pytest.raises(StoppedError):
        price(bad_rows=tmp_path / "bad.csv", stop_after=stop_after)
    assert not (tmp_path / "bad.csv").exists()

    price(bad_rows=tmp_path / "bad.csv", is_resumed=True)

    assert lines_of(tmp_path / "bad.csv") == bad_lines(bad_houses)


@pytest.mark.usefixtures("houses")
def test_good_rows_have_the_price_that_they_have_without_bad_ones(price, tmp_path):
    price("strict")

    price("tolerant", bad_rows=tmp_path / "bad.csv")

    assert contents(tmp_path / "strict") == contents(tmp_path / "tolerant")
    assert lines_of(tmp_path / "bad.csv") == [["file", "row", "column", "value", "expected"]]
