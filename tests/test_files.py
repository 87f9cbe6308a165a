from __future__ import annotations

import os
import stat

import pytest

from pricebench.files import atomic_write


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
