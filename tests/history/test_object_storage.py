"""Runs in a store that speaks the API of S3: what is asked of it, what changes in it, what is told of its errors."""

from __future__ import annotations

import gzip
import json
import socket
import time

import boto3
import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from evidence.object_store import KEYS_A_PAGE, ObjectStore
from pricebench.cli import main
from pricebench.history import HistoryError, open_history
from tests.history.making import entry, medians, run
from tests.test_extras import run_without

NUM_RUNS = 50
URL = "s3://bucket/runs"


@pytest.fixture(scope="module")
def server():
    with ObjectStore() as server:
        yield server


@pytest.fixture(autouse=True)
def store(server, monkeypatch, tmp_path):
    """An empty bucket, found by the usual variables."""
    monkeypatch.setenv("PRICEBENCH_CACHE", str(tmp_path / "cache"))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    bucket = boto3.resource("s3").create_bucket(Bucket="bucket")
    server.counted()
    yield server
    server.answer = lambda _operation, _key: None
    bucket.objects.delete()
    bucket.delete()


def put(content, number=0, name=None):
    key = f"runs/{name or f'0123456789/{number:04d}.json'}"
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    # Not over HTTP: what the tests count is what opening asks.
    get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].put_object("bucket", key, body)
    return key


def put_runs(numbers):
    for number in numbers:
        put(run(entry(median=1.0 + number), number=number), number)


def delete(key):
    get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].delete_object("bucket", key)


def error(code, message):
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


# ---- what is asked -------------------------------------------------------------------------------------------------


def test_the_first_time_each_run_is_asked_for_once_and_then_only_the_list(store):
    put_runs(range(NUM_RUNS))

    first = open_history(URL)
    asked_first = store.counted()
    second = open_history(URL)
    asked_second = store.counted()

    assert asked_first == {"ListObjects": 1, "GetObject": NUM_RUNS}
    assert asked_second == {"ListObjects": 1}
    assert medians(first) == medians(second) == [1.0 + number for number in range(NUM_RUNS)]
    assert (first.num_read, second.num_read) == (NUM_RUNS, 0)


def test_of_new_runs_only_those_are_asked_for_also_by_a_process_that_has_listed_before(store):
    put_runs(range(NUM_RUNS))
    open_history(URL)
    store.counted()

    put_runs(range(NUM_RUNS, NUM_RUNS + 3))

    assert open_history(URL).num_read == 3
    assert store.counted() == {"ListObjects": 1, "GetObject": 3}


def test_a_run_with_its_samples_is_one_request(store):
    put_runs(range(NUM_RUNS))
    history = open_history(URL)
    store.counted()

    assert history.run("last").benchmarks[0].median == NUM_RUNS
    assert store.counted() == {"GetObject": 1}


def test_many_runs_are_read_by_several_processes_and_each_is_asked_for_once(store):
    put_runs(range(420))
    put(b"{", name="bad.json")

    history = open_history(URL)

    assert medians(history) == [1.0 + number for number in range(420)]
    assert [each.path for each in history.unreadable] == ["bad.json"]
    assert store.counted() == {"ListObjects": 1, "GetObject": 421}


def test_a_long_list_comes_in_pages_and_what_is_no_run_is_not_asked_for(store):
    for number in range(KEYS_A_PAGE):
        put(b"", name=f"notes/{number:04d}.txt")
    put_runs(range(2))

    assert open_history(URL).num_read == 2
    assert store.counted() == {"ListObjects": 2, "GetObject": 2}


def test_names_that_look_like_patterns_and_packed_runs_are_read(store):
    put(run(number=0), name="[a]*?.json")
    put(gzip.compress(json.dumps(run(number=1)).encode()), name="deep/er/b.json.gz")

    assert open_history(URL).run_table["run"].to_pylist() == ["[a]*?", "deep/er/b"]
    assert store.counted() == {"ListObjects": 1, "GetObject": 2}


# ---- what changes --------------------------------------------------------------------------------------------------


def test_a_run_that_was_overwritten_is_read_again_and_one_that_was_deleted_is_gone(store):
    put_runs(range(3))
    open_history(URL)
    store.counted()
    put(run(entry(median=9.0), number=0), 0)
    delete("runs/0123456789/0001.json")

    assert medians(open_history(URL)) == [9.0, 3.0]
    assert store.counted() == {"ListObjects": 1, "GetObject": 1}


def test_a_run_that_only_moved_to_another_class_of_storage_is_not_read_again():
    key = put(run())
    open_history(URL)
    boto3.client("s3").copy_object(
        Bucket="bucket", Key=key, CopySource=f"bucket/{key}", StorageClass="STANDARD_IA", MetadataDirective="COPY"
    )

    assert open_history(URL).num_read == 0


def test_a_run_that_is_deleted_between_the_list_and_its_turn_is_listed_and_stops_nothing(store):
    put_runs(range(3))
    gone = "runs/0123456789/0001.json"
    store.answer = lambda operation, key: (
        ("404 Not Found", error("NoSuchKey", "The specified key does not exist."))
        if operation == "GetObject" and key == gone
        else None
    )

    history = open_history(URL)

    assert medians(history) == [1.0, 3.0]
    ((path, reason),) = history.unreadable
    assert path == "0123456789/0001.json"
    assert reason == "expected a readable file, found: The specified key does not exist."


def test_a_run_that_could_not_be_read_is_tried_again_the_next_time(store):
    put_runs(range(2))
    store.answer = lambda _operation, key: (
        ("403 Forbidden", error("AccessDenied", "Access Denied")) if key.endswith("0001.json") else None
    )
    assert medians(open_history(URL)) == [1.0]

    store.answer = lambda _operation, _key: None

    assert medians(open_history(URL)) == [1.0, 2.0]


def test_a_run_that_is_deleted_before_it_is_shown_is_one_line():
    key = put(run())
    history = open_history(URL)
    delete(key)

    with pytest.raises(HistoryError, match=r"^expected a readable file, found: The specified key does not exist\.$"):
        history.raw("last")


# ---- what is told of errors ----------------------------------------------------------------------------------------


def told(capsys, url=URL):
    """The one line on stderr of `history list`, which ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(["history", "list", "--from", url])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_no_bucket_is_one_line(capsys):
    assert told(capsys, "s3://no-such-bucket/runs") == (
        "pricebench: s3://no-such-bucket/runs: expected a folder of stored runs, found: "
        "The specified bucket does not exist. Check the URL."
    )


def test_no_such_folder_in_the_bucket_is_one_line(capsys):
    assert told(capsys) == f"pricebench: {URL}: expected a folder of stored runs, found none. Check the URL."


def test_a_run_instead_of_a_folder_is_one_line(capsys):
    key = put(run())

    assert told(capsys, f"s3://bucket/{key}") == (
        f"pricebench: s3://bucket/{key}: expected a folder of stored runs, found a file. Name its folder."
    )


def test_no_rights_is_one_line(store, capsys):
    store.answer = lambda _operation, _key: ("403 Forbidden", error("AccessDenied", "Access Denied"))

    assert told(capsys) == (
        f"pricebench: {URL}: expected a folder of stored runs, found: Access Denied. "
        "Check the credentials, and that they may list and read."
    )
    assert store.counted() == {"ListObjects": 1}


def test_a_name_that_no_bucket_can_have_is_one_line(capsys):
    assert "found: Parameter validation failed: Invalid bucket name" in told(capsys, "s3://no bucket/runs")


def test_nothing_listens_is_one_line(capsys, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    started = time.monotonic()

    said = told(capsys)

    assert "found: Could not connect to the endpoint URL:" in said
    assert said.endswith("Check the credentials, the network and, for S3, AWS_ENDPOINT_URL.")
    assert time.monotonic() - started < 20


def test_no_credentials_is_one_line(capsys, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # The places besides the variables where they could be.
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert told(capsys) == (
        f"pricebench: {URL}: expected a folder of stored runs, found: Unable to locate credentials. "
        "Check the credentials, the network and, for S3, AWS_ENDPOINT_URL."
    )


@pytest.mark.parametrize("num_runs", [3, 420])
def test_a_store_that_fails_while_runs_are_read_is_one_line(store, capsys, num_runs):
    put_runs(range(num_runs))
    store.answer = lambda operation, _key: (
        ("500 Internal Server Error", error("InternalError", "We are sorry")) if operation == "GetObject" else None
    )

    assert told(capsys) == (
        f"pricebench: {URL}: expected a folder of stored runs, found: We are sorry. "
        "Check the credentials, the network and, for S3, AWS_ENDPOINT_URL."
    )


def test_without_s3fs_it_says_which_extra(tmp_path):
    code = (
        "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *p: None if n == 's3fs' else f(n, *p)\n"
    )

    result = run_without(
        "s3fs",
        code=code + "from pricebench.cli import main; main()",
        arguments=["history", "list", "--from", URL],
        cwd=tmp_path,
    )

    assert result.returncode == 2
    assert result.stderr == (
        f"pricebench: {URL} needs s3fs, which is not installed. Install it: pip install 'pricebench[s3]'.\n"
    )
