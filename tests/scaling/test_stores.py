from __future__ import annotations

from urllib.request import Request, urlopen

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from pricebench.errors import DataError
from pricebench.extras import MissingPackageError
from pricebench.scaling.bulk import begin, plan, run
from pricebench.scaling.engines import here
from pricebench.scaling.manifest import Options
from pricebench.scaling.shards import find
from pricebench.scaling.stores import is_pattern, is_url, shown, store_of
from tests.scaling import HEADER, HOUSE, contents, pricing_to, saved_model, write_parquet
from tests.test_extras import run_without

OPTIONS = Options(
    model="1973", mode="eager", transforms=(), threads=1, shard_rows=1000, keeps_bad_rows=True, torch="2.15.0"
)


@pytest.fixture(scope="module")
def s3_server():
    """The API of S3, spoken by somebody else's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Two buckets, `houses` and `prices`, for who has the usual variables."""
    import s3fs  # noqa: PLC0415 - its client remembers the address

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    for bucket in ("houses", "prices"):
        if system.exists(bucket):
            system.rm(bucket, recursive=True)
        system.mkdir(bucket)
    yield system
    s3fs.S3FileSystem.clear_instance_cache()


def price(houses, out, artifacts, *, bad_rows, is_resumed=False, **options):
    pricing = pricing_to(out, artifacts, keeps_bad_rows=True)
    job = begin(plan([houses], OPTIONS), out, is_resumed=is_resumed)
    return run(job, out, here(pricing, pricing.predictor()), bad_rows=bad_rows, **options)


@pytest.fixture
def houses(tmp_path):
    write_parquet(tmp_path / "data" / "a.parquet", 2500, seed=1, group_rows=500)
    (tmp_path / "data" / "b.csv").write_text(f"{HEADER},house\n{HOUSE},b-1\n{HOUSE.replace('6,7', '6,x')},b-2\n")
    return tmp_path / "data"


def test_from_a_bucket_into_a_bucket_come_the_bytes_that_come_from_a_folder_into_a_folder(s3, houses, tmp_path):
    artifacts = saved_model(tmp_path / "artifacts")
    s3.put(str(houses), "houses/in", recursive=True)
    price(str(houses), str(tmp_path / "out"), artifacts, bad_rows=str(tmp_path / "bad.csv"))

    job = price("s3://houses/in/", "s3://prices/out", artifacts, bad_rows="s3://prices/bad.csv")

    assert job.is_complete
    here_too = contents(tmp_path / "out")
    assert {name: s3.cat(f"prices/out/{name}") for name in here_too} == here_too
    assert len(s3.ls("prices/out")) == len(here_too) + 1
    assert s3.cat("prices/bad.csv").decode() == (
        "file,row,column,value,expected\ns3://houses/in/b.csv,2,rooms,x,a number\n"
    )


def test_a_job_in_a_bucket_is_resumed(s3, houses, tmp_path):
    artifacts = saved_model(tmp_path / "artifacts")
    s3.put(str(houses), "houses/in", recursive=True)

    def stop(_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        price("s3://houses/in/*", "s3://prices/out", artifacts, bad_rows="s3://prices/bad.csv", show=stop)
    first = s3.info("prices/out/prices-00000.parquet")
    job = price("s3://houses/in/*", "s3://prices/out", artifacts, bad_rows="s3://prices/bad.csv", is_resumed=True)

    assert job.is_complete
    assert s3.info("prices/out/prices-00000.parquet") == first
    assert len(s3.ls("prices/out")) == 5


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("s3://houses/none/*.csv", "expected files of houses, found none. Check the path."),
        ("s3://nowhere/a.csv", "expected files of houses, found none. Check the path."),
    ],
)
@pytest.mark.usefixtures("s3")
def test_a_url_that_leads_nowhere_is_named(pattern, says):
    with pytest.raises(DataError) as error:
        find([pattern])

    assert str(error.value) == f"{pattern}: {says}"


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_found_out_before_anything_is_priced(houses):
    with pytest.raises(DataError) as error:
        begin(plan([str(houses)], OPTIONS), "s3://nowhere/out", is_resumed=False)

    assert str(error.value) == (
        "s3://nowhere/out: expected to be listed, found: The specified bucket does not exist. "
        "Check the URL and your rights."
    )


@pytest.mark.usefixtures("s3")
def test_who_has_no_rights_is_told_so_in_one_line(s3_server):
    def looks_at_signatures(after_requests):
        data, headers = str(after_requests).encode(), {"content-type": "text/plain"}
        urlopen(Request(f"{s3_server}/moto-api/reset-auth", data, headers), timeout=10)  # noqa: S310 - our own server

    looks_at_signatures(0)
    try:
        with pytest.raises(DataError) as error:
            find(["s3://houses/a.csv"])
    finally:
        looks_at_signatures("inf")

    assert str(error.value).startswith("s3://houses/a.csv: expected to be read, found: ")
    assert str(error.value).endswith("Check the URL and your rights.")
    assert "\n" not in str(error.value)


def test_a_kind_of_url_that_nobody_knows_is_refused():
    with pytest.raises(DataError, match=r"nope://a/b: expected a URL that fsspec opens, found: Protocol not known"):
        store_of("nope://a/b")


@pytest.mark.parametrize(("package", "extra"), [("fsspec", "remote"), ("s3fs", "s3")])
def test_a_package_that_is_missing_is_named_with_the_command(package, extra):
    code = "from pricebench.scaling.stores import store_of; store_of('s3://user:secret@prices/a?key=1')"

    ended = run_without(package, code=code)

    assert ended.stderr.splitlines()[-1] == (
        f"{MissingPackageError.__module__}.MissingPackageError: s3://prices/a needs {package}, which is not installed. "
        f"Install it: pip install 'pricebench[{extra}]'."
    )


def test_other_stores_get_a_file_under_another_name_first(tmp_path):
    # fsspec's own name for this machine, with a scheme of no object store.
    store = store_of("local:///")

    with store.written(f"local://{tmp_path}/out/prices.csv") as file:
        file.write(b"whole")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["prices.csv"]
    assert (tmp_path / "out" / "prices.csv").read_bytes() == b"whole"


def test_what_was_begun_and_failed_is_nowhere(s3):
    store = store_of("s3://prices")

    def fail():
        with store.written("s3://prices/half.csv") as file:
            file.write(b"half")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()

    assert s3.ls("prices") == []


def test_a_url_is_shown_without_secrets():
    assert shown("s3://user:secret@prices/a?token=1") == "s3://prices/a"
    assert shown("prices/a") == "prices/a"


def test_a_url_or_a_pattern_is_told_from_a_path(tmp_path):
    (tmp_path / "a[1].csv").touch()

    assert [is_url(text) for text in ("s3://a/b", "file:///a", "a/b", "C:/a")] == [True, False, False, False]
    assert is_pattern(str(tmp_path / "*.csv"))
    assert not is_pattern(str(tmp_path / "a[1].csv"))
