from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.scaling import HEADER, HOUSE, contents, saved_model, write_parquet
from tests.test_cli import pricebench, unboxed


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a model and two files of houses."""
    monkeypatch.chdir(tmp_path)
    saved_model(tmp_path / "artifacts")
    write_parquet(tmp_path / "data" / "a.parquet", 2500, seed=1, group_rows=500)
    (tmp_path / "data" / "b.csv").write_text(f"{HEADER}\n{HOUSE}\n{HOUSE.replace('6,7', '6,')}\n")
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("houses", [["data/*"], ["data"], ["data/a.parquet", "data/b.csv"]], ids=str)
def test_many_files_are_priced_into_a_folder(desk, houses):
    ended = pricebench("predict", *houses, "--out", "prices", "--shard-rows", "1000")

    assert ended.returncode == 0
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[:3] == [
        "4 shards to price",
        "2,502 rows priced, 4 files in prices",
        "1 of them without a price: a value is missing",
    ]
    assert names(desk / "prices") == [
        "manifest.json",
        *(f"prices-0000{n}.parquet" for n in range(3)),
        "prices-00003.csv",
    ]


@pytest.mark.parametrize(
    "more", [["--out", "prices/"], ["--out", "prices", "--resume"]], ids=["a folder", "what is resumed"]
)
def test_one_file_goes_into_a_folder_where_that_is_asked_for(desk, more):
    ended = pricebench("predict", "data/b.csv", *more)

    assert ended.stderr.splitlines()[:2] == [
        "1 shard to price",
        "2 rows priced, 1 file in prices" + "/" * ("--resume" not in more),
    ]
    assert names(desk / "prices") == ["manifest.json", "prices-00000.csv"]


@pytest.mark.usefixtures("desk")
def test_a_finished_job_does_nothing_and_says_so():
    pricebench("predict", "data", "--out", "prices")

    ended = pricebench("predict", "data", "--out", "prices", "--resume")

    assert (ended.returncode, ended.stderr) == (0, "nothing is left to do: 2,502 rows priced, 2 files in prices\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data"], "give --out DIR"),
        (["data", "--out", "data/b.csv"], "--out data/b.csv is a file"),
        (["data", "--out", "prices", "--address", "10.0.0.1:6379"], "give --engine ray"),
        (["data", "--out", "prices", "--device", "cuda"], "priced on the CPU"),
        (["data", "--out", "prices", "--engine", "spark"], "'spark' is not one of 'local', 'ray'"),
    ],
)
def test_options_that_do_not_fit_are_refused(desk, arguments, says):
    ended = pricebench("predict", *arguments)

    assert ended.returncode == 2
    assert says in unboxed(ended.stderr)
    assert not (desk / "prices").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing/*.csv", "--out", "prices"], "nothing/*.csv: expected files of houses, found none."),
        (["data", "--out", "prices", "--artifacts", "nothing"], "nothing/model.pt: expected "),
        (["data", "--out", "prices", "--mode", "egaer"], "No execution mode is called 'egaer'. Did you mean 'eager'?"),
        (["data", "--out", "prices", "--bad-rows", "bad.csv"], "found the prices of a job. Go on with it: --resume."),
    ],
)
def test_what_is_wrong_is_one_line(desk, arguments, says):
    if "--bad-rows" in arguments:
        pricebench("predict", "data", "--out", "prices")

    ended = pricebench("predict", *arguments)

    assert ended.returncode == 2
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "--bad-rows" in arguments or not (desk / "prices").exists()


def test_ray_that_is_not_installed_is_one_line(desk):
    hiding = "import sys; sys.modules['ray'] = None; from pricebench.cli import main; main()"
    command = [sys.executable, "-c", hiding, "predict", "data", "--out", "prices", "--engine", "ray"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "pricebench: --engine ray needs ray, which is not installed. Install it: pip install 'pricebench[ray]'."
    )
    assert not (desk / "prices").exists()


def test_bad_rows_of_one_file_are_listed_and_the_others_priced(desk):
    (desk / "houses.csv").write_text(f"{HEADER}\n{HOUSE}\n{HOUSE.replace('6,7', '6,x')}\n{HOUSE}\n")

    ended = pricebench("predict", "houses.csv", "--out", "priced.csv", "--bad-rows", "bad.csv")

    assert ended.returncode == 0
    assert ended.stderr.splitlines() == [
        "3 rows priced",
        "1 of them without a price: a value is wrong; bad.csv lists them",
    ]
    with (desk / "bad.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "row", "column", "value", "expected"],
            ["houses.csv", "2", "rooms", "x", "a number"],
        ]
    rows = [line.split(",") for line in (desk / "priced.csv").read_text().splitlines()[1:]]
    assert rows[1] == [*HOUSE.replace("6,7", "6,x").split(","), ""]
    assert rows[0] == rows[2]


# ---- what ends a process, in a process of its own -------------------------------------------------------------------


@pytest.fixture(scope="module")
def many_houses(tmp_path_factory):
    """A model, a million houses in a hundred parts, and their prices."""
    folder = tmp_path_factory.mktemp("many")
    saved_model(folder / "artifacts")
    write_parquet(folder / "data" / "a.parquet", 1_000_000, seed=1, group_rows=10_000)
    finish(predict(folder, "whole"))
    return folder


def predict(folder, out, *more):
    command = [sys.executable, "-m", "pricebench", "predict", "data/", "--out", out, "--shard-rows", "10000", *more]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def priced_a_few(process, folder):
    """Wait until some shards are priced and others are not."""
    moment = threading.Event()
    while len(list(folder.glob("prices-*"))) < 5:
        assert process.poll() is None, process.communicate()
        moment.wait(0.05)
    assert len(list(folder.glob("prices-*"))) < 100


def test_a_killed_job_leaves_whole_files_and_is_resumed_to_the_same_bytes(many_houses):
    process = predict(many_houses, "killed")
    priced_a_few(process, many_houses / "killed")
    process.kill()
    process.communicate()

    whole = contents(many_houses / "whole")
    assert contents(many_houses / "killed").items() < whole.items()
    finish(predict(many_houses, "killed", "--resume"))
    assert contents(many_houses / "killed") == whole
    assert names(many_houses / "killed") == names(many_houses / "whole")


def test_ctrl_c_is_one_line_and_leaves_whole_files(many_houses):
    process = predict(many_houses, "interrupted")
    priced_a_few(process, many_houses / "interrupted")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.splitlines()[1:] == ["interrupted: whole files are kept, and --resume does the rest"]
    assert contents(many_houses / "interrupted").items() < contents(many_houses / "whole").items()
    assert not list((many_houses / "interrupted").glob(".*"))


def test_a_cluster_of_this_machine_survives_neither_ctrl_c_nor_a_kill_but_whole_files_do(many_houses):
    whole = contents(many_houses / "whole")

    process = predict(many_houses, "on-ray", "--engine", "ray")
    priced_a_few(process, many_houses / "on-ray")
    process.kill()
    process.communicate()
    assert contents(many_houses / "on-ray").items() < whole.items()

    # A terminal sends it to all that were started.
    process = predict(many_houses, "on-ray", "--engine", "ray", "--resume")
    told = process.stderr.readline()
    assert told.endswith("shards to price\n")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    # The line that was read may come again: a Ctrl-C of that moment finds rich between writing it and forgetting it.
    *again, last = errors.splitlines()
    assert (process.returncode, last) == (130, "interrupted: whole files are kept, and --resume does the rest")
    assert again in ([], [told.rstrip()])
    assert contents(many_houses / "on-ray").items() < whole.items()

    finish(predict(many_houses, "on-ray", "--resume"))
    assert contents(many_houses / "on-ray") == whole
    assert names(many_houses / "on-ray") == names(many_houses / "whole")
