"""Where runs lie: a local folder or any fsspec URL, listed with a stamp that tells a changed file, and read in bulk."""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from pricebench.files import read_file
from pricebench.history.records import HistoryError

SUFFIXES = (".json", ".json.gz")
# A file that was written a moment ago may be written again within one tick of its clock, at the same size.
_SETTLED_NS = 2_000_000_000
_READERS = 8  # of local files; so many are in memory at once
_AT_ONCE = 64  # files fetched together: some megabytes in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that may be a run.

    Attributes:
        path: Below the place, with `/` between folders.
        stamp: Changes when the file does: size and modification time, or what a remote store tells about it.
        is_settled: Whether the stamp can be trusted yet.
    """

    path: str
    stamp: str
    is_settled: bool = True


class Place(Protocol):
    """A folder of runs, wherever it is."""

    @property
    def name(self) -> str:
        """The folder or URL as people see it, without credentials."""
        ...

    @property
    def key(self) -> str:
        """What the cache of it is named by."""
        ...

    def find(self) -> list[Found]:
        """Every file that may be a run, sorted by path."""
        ...

    def read(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
        """Contents by path; a text instead of bytes says why there are none."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine."""

    root: Path

    @property
    def name(self) -> str:
        """As it was given."""
        return str(self.root)

    @property
    def key(self) -> str:
        """The whole path."""
        return f"local:{self.root.resolve()}"

    def find(self) -> list[Found]:
        """Every file that may be a run; links to folders are not followed.

        Raises:
            HistoryError: There is no such folder.
        """
        if not self.root.is_dir():
            raise HistoryError(f"{self.root}: expected a folder of stored runs, found none. Run: pytest benchmarks.")
        now = time.time_ns()
        return sorted(self._walk(str(self.root), "", now), key=lambda found: found.path)

    def _walk(self, folder: str, prefix: str, now: int) -> Iterator[Found]:
        # os.scandir brings the facts with the names: 10,000 files in tens of milliseconds.
        try:
            entries = list(os.scandir(folder))
        except OSError:
            yield _unreadable(prefix.rstrip("/"))
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(entry.path, f"{prefix}{entry.name}/", now)
            elif entry.name.endswith(SUFFIXES):
                try:
                    facts = entry.stat()
                except OSError:  # a broken link, or gone since
                    yield _unreadable(prefix + entry.name)
                    continue
                yield Found(
                    path=prefix + entry.name,
                    stamp=f"{facts.st_size}:{facts.st_mtime_ns}",
                    is_settled=now - facts.st_mtime_ns > _SETTLED_NS,
                )

    def read(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
        """Contents by path, some files ahead: a cold disk gives eight readers seven times what it gives one."""
        with ThreadPoolExecutor(_READERS) as readers:
            ahead: deque[tuple[str, Future[bytes | str]]] = deque()
            for path in paths:
                ahead.append((path, readers.submit(self._content, path)))
                if len(ahead) > _READERS:
                    first, content = ahead.popleft()
                    yield first, content.result()
            for path, content in ahead:
                yield path, content.result()

    def _content(self, path: str) -> bytes | str:
        try:
            return read_file(self.root / path)
        except OSError as error:
            return f"expected a readable file, found: {error.strerror}"


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder behind an fsspec URL, such as `s3://bucket/runs`."""

    url: str

    @property
    def name(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def key(self) -> str:
        """The whole URL; it is hashed before it names anything."""
        return f"remote:{self.url}"

    def _open(self) -> tuple[Any, str]:
        try:
            import fsspec  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise HistoryError(
                f"{self.name}: expected a local folder or the extra for remote ones. Run: uv add 'pricebench[remote]'."
            ) from error
        try:
            system, root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError, OSError) as error:
            raise HistoryError(f"{self.name}: expected a URL that fsspec opens, found: {_one_line(error)}.") from error
        return system, str(root).rstrip("/")

    def find(self) -> list[Found]:
        """Every file that may be a run.

        Raises:
            HistoryError: There is no such folder, or it cannot be listed.
        """
        system, root = self._open()
        try:
            listed: dict[str, dict[str, Any]] = system.find(root, detail=True)
        except OSError as error:
            raise HistoryError(f"{self.name}: expected a folder of stored runs, found: {_one_line(error)}.") from error
        if not listed and not system.exists(root):
            raise HistoryError(f"{self.name}: expected a folder of stored runs, found none. Check the URL.")
        return sorted(
            (
                Found(path=path.removeprefix(root).lstrip("/"), stamp=_remote_stamp(facts))
                for path, facts in listed.items()
                if path.endswith(SUFFIXES)
            ),
            key=lambda found: found.path,
        )

    def read(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
        """Contents by path, some files at a time."""
        system, root = self._open()
        for start in range(0, len(paths), _AT_ONCE):
            names = {f"{root}/{path}": path for path in paths[start : start + _AT_ONCE]}
            fetched: dict[str, Any] = system.cat(list(names), on_error="return")
            for name, path in names.items():
                content = fetched.get(name)
                if isinstance(content, bytes):
                    yield path, content
                else:
                    yield path, f"expected a readable file, found: {_one_line(content)}"


def place_at(where: str | Path) -> Place:
    """The place that a folder's path or a URL names; `file://` is a local folder."""
    text = str(where)
    if isinstance(where, Path) or "://" not in text:
        return LocalFolder(Path(where))
    if text.startswith("file://"):
        return LocalFolder(Path(url2pathname(urlsplit(text).path)))
    return RemoteFolder(text)


def _unreadable(path: str) -> Found:
    # Reading it will fail again, and say why.
    return Found(path=path, stamp="unreadable", is_settled=False)


def _remote_stamp(facts: dict[str, Any]) -> str:
    # Every store names its time differently (mtime, LastModified, ETag, created): all that it tells is hashed.
    told = sorted((str(name), str(value)) for name, value in facts.items())
    return hashlib.sha256(repr(told).encode()).hexdigest()[:20]


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
