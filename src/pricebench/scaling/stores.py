"""Files of this machine, and behind fsspec URLs: found, opened, and written so that nobody ever sees half of one."""

from __future__ import annotations

import glob
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from pricebench.errors import DataError
from pricebench.extras import require
from pricebench.files import atomic_write

SUFFIXES = (".csv", ".parquet")
_GLOB_CHARACTERS = frozenset("*?[")
# A put into these is atomic by itself: nobody sees an object before its last byte was accepted.
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "memory"})
# What a remote store tells that changes with a file, the surest first.
_STAMPS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "modified", "created")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that is there.

    Attributes:
        path: Whole, or a URL.
        name: As people know it: below the folder where the command runs, or the URL without credentials.
        size: In bytes.
        stamp: Changes when the file does.
    """

    path: str
    name: str
    size: int
    stamp: str


class Store(Protocol):
    """Where files lie: this machine, or what an fsspec URL leads to."""

    def find(self, pattern: str) -> list[Found]:
        """A file, the tables in a folder, or what a pattern matches; sorted by path, and empty where nothing is."""

    def open(self, path: str) -> IO[bytes]:
        """A file for reading at any place."""

    def fetched(self, path: str) -> Any:
        """A context: the path of the file, or of a copy, on this machine."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Size by name of the files in a folder, hidden ones too; none where it is not there."""

    def written(self, path: str) -> Any:
        """A context: a file that is at its place once the context has ended well, and never before."""

    def remove(self, path: str) -> None:
        """Remove a file."""


def is_url(text: str) -> bool:
    """Whether a text names something that fsspec opens."""
    return "://" in text and not text.startswith("file://")


def is_pattern(text: str) -> bool:
    """Whether a text may match several files; a file that is called so comes first."""
    return not _GLOB_CHARACTERS.isdisjoint(text) and not Path(text).exists()


def store_of(text: str) -> Store:
    """The store that a path or URL leads into.

    Raises:
        DataError: The URL is none that fsspec opens.
        MissingPackageError: fsspec, or what it needs for such URLs, is not installed.
    """
    return _Remote(text) if is_url(text) else _Local()


def joined(folder: str, name: str) -> str:
    """The path or URL of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def absolute(text: str) -> str:
    """A path that another process understands; a URL is one."""
    if is_url(text):
        return text
    return str(Path(url2pathname(urlsplit(text).path) if text.startswith("file://") else text).absolute())


def shown(text: str) -> str:
    """A path or URL without credentials and query."""
    if not is_url(text):
        return text
    parts = urlsplit(text)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


# ---- this machine --------------------------------------------------------------------------------------------------


class _Local:
    def find(self, pattern: str) -> list[Found]:
        if is_pattern(pattern):
            paths = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - "**" below any root
        elif Path(pattern).is_dir():
            paths = [path for path in Path(pattern).iterdir() if path.suffix in SUFFIXES]
        else:
            paths = [Path(pattern)]
        return [
            Found(
                path=str(path.absolute()),
                name=path.as_posix(),
                size=path.stat().st_size,
                stamp=str(path.stat().st_mtime_ns),
            )
            for path in sorted(paths)
            if path.is_file()
        ]

    def open(self, path: str) -> IO[bytes]:
        return Path(path).open("rb")

    @contextmanager
    def fetched(self, path: str) -> Iterator[Path]:
        yield Path(path)

    def sizes(self, folder: str) -> dict[str, int]:
        if not Path(folder).is_dir():
            return {}
        return {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}

    @contextmanager
    def written(self, path: str) -> Iterator[IO[bytes]]:
        # A temporary file beside it, flushed to disk and renamed: a rename is atomic.
        with atomic_write(Path(path)) as file:
            yield file

    def remove(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)


# ---- behind a URL --------------------------------------------------------------------------------------------------


class _Remote:
    def __init__(self, url: str) -> None:
        require("fsspec", shown(url))
        import fsspec  # noqa: PLC0415 - an optional extra

        self._scheme = urlsplit(url).scheme
        if self._scheme in ("s3", "s3a"):
            require("s3fs", shown(url))
        try:
            self._system, _ = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise DataError(f"{shown(url)}: expected a URL that fsspec opens, found: {_one_line(error)}.") from error

    def find(self, pattern: str) -> list[Found]:
        with self._told(pattern, "to be read"):
            self._system.invalidate_cache()
            root = self._system._strip_protocol(pattern)  # noqa: SLF001 - fsspec has no other name for it
            if not _GLOB_CHARACTERS.isdisjoint(root):
                facts = self._system.glob(root, detail=True)
            elif self._system.isdir(root):
                listed = self._system.ls(root, detail=True)
                facts = {item["name"]: item for item in listed if PurePosixPath(item["name"]).suffix in SUFFIXES}
            elif self._system.exists(root):
                facts = {root: self._system.info(root)}
            else:
                facts = {}
        return [
            Found(
                path=self._system.unstrip_protocol(path),
                name=shown(self._system.unstrip_protocol(path)),
                size=int(fact["size"] or 0),
                stamp=next((str(fact[name]) for name in _STAMPS if fact.get(name)), ""),
            )
            for path, fact in sorted(facts.items())
            if fact["type"] == "file"
        ]

    def open(self, path: str) -> IO[bytes]:
        with self._told(path, "to be read"):
            # Whoever reads has a buffer per column; one for the whole file would be thrown away at each turn.
            file: IO[bytes] = self._system.open(path, "rb", cache_type="none")
            return file

    @contextmanager
    def fetched(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="pricebench-") as folder:
            local = Path(folder, PurePosixPath(urlsplit(path).path).name)
            with self._told(path, "to be read"):
                self._system.get_file(path, str(local))
            yield local

    def sizes(self, folder: str) -> dict[str, int]:
        with self._told(folder, "to be listed"):
            self._system.invalidate_cache()
            try:
                listed = self._system.ls(folder, detail=True)
            except FileNotFoundError as error:
                if "bucket" in str(error).lower():
                    raise
                return {}
            return {PurePosixPath(item["name"]).name: item["size"] for item in listed if item["type"] == "file"}

    @contextmanager
    def written(self, path: str) -> Iterator[IO[bytes]]:
        # Written here first: an upload that was begun is ended, half as it is, by whatever closes its file.
        with tempfile.NamedTemporaryFile(prefix="pricebench-") as file:
            yield file
            file.flush()
            with self._told(path, "to be written"):
                if self._scheme in _OBJECT_STORES:
                    self._system.put_file(file.name, path)
                else:
                    folder, _, name = path.rpartition("/")
                    self._system.makedirs(folder, exist_ok=True)
                    self._system.put_file(file.name, joined(folder, f".{name}.half"))
                    self._system.mv(joined(folder, f".{name}.half"), path)

    def remove(self, path: str) -> None:
        with self._told(path, "to be removed"):
            self._system.rm_file(path)

    @contextmanager
    def _told(self, path: str, expected: str) -> Iterator[None]:
        try:
            yield
        except _troubles() as error:
            raise DataError(
                f"{shown(path)}: expected {expected}, found: {_one_line(error)}. Check the URL and your rights."
            ) from error


def _troubles() -> tuple[type[Exception], ...]:
    """What goes wrong in a store: botocore's errors, of no address and no credentials, are no OSError."""
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError)


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
