"""Files of other people are read when they are files; ours are written so that nobody ever sees half of one."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

# A run with a million samples is 50 MB; no report comes near.
MOST_BYTES = 512 * 1024 * 1024


def open_file(path: Path | str) -> BufferedReader:
    """Open a regular file, or one that a link leads to, for reading.

    Raises:
        OSError: There is none, it cannot be read, or a pipe or device is called so: the one could be waited for, and
            the other read, for ever. `strerror` says what was found.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise OSError(errno.EINVAL, f"{kind} instead of a file", str(path))
    return file


def read_file(path: Path | str, *, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a regular file, or of one that a link leads to.

    Raises:
        OSError: As `open_file`; or the file is too large.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise OSError(errno.EFBIG, f"{size:,} bytes, more than {most_bytes:,}", str(path))
        return file.read()


def stored_reports(folder: Path) -> list[Path]:
    """The reports of a folder, `<fingerprint>_<time>.json`, oldest first by their names' times; none without it."""
    return sorted(folder.glob("*_*.json"), key=lambda path: path.stem.rpartition("_")[2])


def read_json(path: Path) -> Any:
    """The JSON in a file.

    Raises:
        OSError: As `read_file`.
        ValueError: It holds no JSON.
    """
    try:
        return json.loads(read_file(path))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _without_waiting(path: str, flags: int) -> int:
    # Opening a pipe waits for somebody who writes. Windows has no such flag, and no such pipes in its folders.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on success flush it to disk and rename it, on any error remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes a private file; a result is as readable as the user's umask says.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
