from __future__ import annotations

import os
import stat

import pytest

from pricebench.artifacts import load_metrics
from pricebench.cliff.records import Report as CliffReport
from pricebench.data import load_dataset
from pricebench.errors import PricebenchError
from pricebench.files import atomic_write, read_file, read_json
from pricebench.gate.bank import Bank
from pricebench.gate.report import Report as GateReport
from pricebench.history import read_run
from pricebench.profiling.report import read_analysis
from pricebench.profiling.trace import read_trace
from pricebench.tensorfile import load_record


class Interrupted(BaseException):
    """As Ctrl-C is: not an Exception."""


def fail_after(path, content, error):
    with atomic_write(path) as file:
        file.write(content)
        raise error


def test_file_is_written_whole(tmp_path):
    with atomic_write(tmp_path / "result") as file:
        file.write(b"one, ")
        file.write(b"two")

    assert (tmp_path / "result").read_bytes() == b"one, two"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_folders_are_made_on_the_way(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "result") as file:
        file.write(b"x")

    assert (tmp_path / "a" / "b" / "result").read_bytes() == b"x"


def test_old_file_is_replaced(tmp_path):
    path = tmp_path / "result"
    path.write_bytes(b"a long old file")

    with atomic_write(path) as file:
        file.write(b"new")

    assert path.read_bytes() == b"new"


def test_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "result"
    path.write_bytes(b"old")

    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        seen = path.read_bytes()

    assert seen == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Interrupted])
def test_error_leaves_the_old_file_and_nothing_else(error, tmp_path):
    path = tmp_path / "result"
    path.write_bytes(b"old")

    with pytest.raises(error):
        fail_after(path, b"half of the ne", error)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_error_leaves_no_file_where_none_was(tmp_path):
    with pytest.raises(ValueError, match="stop"):
        fail_after(tmp_path / "result", b"half", ValueError("stop"))

    assert list(tmp_path.iterdir()) == []


def test_target_that_is_a_folder_is_an_error_that_leaves_nothing(tmp_path):
    (tmp_path / "result").mkdir()

    with pytest.raises(OSError, match="result"), atomic_write(tmp_path / "result") as file:
        file.write(b"x")

    assert [path.name for path in tmp_path.iterdir()] == ["result"]


@pytest.mark.skipif(os.name != "posix", reason="mode bits are POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)])
def test_mode_bits_are_those_that_the_umask_leaves(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "result"):
            pass
        assert os.umask(umask) == umask
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == mode


def test_a_file_and_a_link_to_one_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    assert read_file(tmp_path / "file") == read_file(tmp_path / "link") == b"content"


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices in folders are POSIX's")
def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")

    with pytest.raises(OSError, match="a pipe instead of a file"):
        read_file(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device instead of a file"):
        read_file(tmp_path / "device")


def test_a_file_above_the_limit_is_refused_with_both_sizes(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")

    assert read_file(tmp_path / "file", most_bytes=5) == b"12345"
    with pytest.raises(OSError, match="5 bytes, more than 4"):
        read_file(tmp_path / "file", most_bytes=4)


def test_json_that_is_nested_too_deeply_is_no_json(tmp_path):
    (tmp_path / "deep.json").write_bytes(b"[" * 200_000)

    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "deep.json")


READERS = (
    CliffReport.load,
    GateReport.load,
    Bank.load,
    read_run,
    read_analysis,
    read_trace,
    load_dataset,
    lambda path: load_record(path, "pricebench-model", 1),
    lambda path: load_metrics(path.parent),
)


@pytest.mark.skipif(os.name != "posix", reason="pipes in folders are POSIX's")
@pytest.mark.parametrize("read", READERS)
def test_no_reader_waits_for_a_pipe(tmp_path, read):
    os.mkfifo(tmp_path / "metrics.json")

    with pytest.raises(PricebenchError) as refused:
        read(tmp_path / "metrics.json")

    assert len(str(refused.value).splitlines()) == 1
