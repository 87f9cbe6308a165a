"""Where runs lie: a local folder or any fsspec URL, listed with a stamp that tells a changed file, and read in bulk."""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from pricebench.files import read_file
from pricebench.history.records import HistoryError
from pricebench.history.remote import AT_ONCE, Opened, one_line, open_url, refused

SUFFIXES = (".json", ".json.gz")
# A file that was written a moment ago may be written again within one tick of its clock, at the same size.
_SETTLED_NS = 2_000_000_000
_READERS = 8  # of local files; so many are in memory at once
UNREAD = "expected a readable file, found: "
"""How a reason begins where a file could not be read: the next time it may be."""


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

    @property
    def where(self) -> str:
        """What `place_at` makes the same of, in any process."""
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
        return f"local:{self.where}"

    @property
    def where(self) -> str:
        """The whole path."""
        return str(self.root.resolve())

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
            return f"{UNREAD}{error.strerror}"


@dataclass(frozen=True)
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
        return f"remote:{self.where}"

    @property
    def where(self) -> str:
        """The whole URL."""
        return self.url

    @cached_property
    def _opened(self) -> Opened:
        return open_url(self.url, name=self.name)

    def find(self) -> list[Found]:
        """Every file that may be a run.

        Raises:
            HistoryError: There is no such folder, or it cannot be listed.
            MissingPackageError: A package is needed that is not installed.
        """
        system, root = self._opened.system, self._opened.root
        system.invalidate_cache()  # of listings: another process may have stored a run since
        try:
            listed: dict[str, dict[str, Any]] = system.find(root, detail=True)
            is_there = bool(listed) or system.exists(root)
        except self._opened.errors as error:
            raise refused(self.name, error) from error
        if not is_there:
            raise HistoryError(f"{self.name}: expected a folder of stored runs, found none. Check the URL.")
        if root in listed:
            raise HistoryError(f"{self.name}: expected a folder of stored runs, found a file. Name its folder.")
        return sorted(
            (
                _remote_found(path.removeprefix(f"{root}/"), facts)
                for path, facts in listed.items()
                if path.endswith(SUFFIXES)
            ),
            key=lambda found: found.path,
        )

    def read(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
        """Contents by path, a group of files at a time, and the next group meanwhile.

        Raises:
            HistoryError: The store does not answer any more.
        """
        groups = [paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)]
        with ThreadPoolExecutor(1) as fetching:
            ahead = [fetching.submit(self._fetch, group) for group in groups[:1]]
            for group, following in zip_longest(groups, groups[1:]):
                contents = ahead.pop().result()
                if following:
                    ahead.append(fetching.submit(self._fetch, following))
                yield from zip(group, contents, strict=True)

    def _fetch(self, paths: Sequence[str]) -> list[bytes | str]:
        opened = self._opened
        # Not `cat`, which takes a name with a bracket or a star for a pattern.
        fetched = opened.system.cat_ranges([f"{opened.root}/{path}" for path in paths], None, None)
        return [self._content(content) for content in fetched]

    def _content(self, content: bytes | Exception) -> bytes | str:
        if not isinstance(content, Exception):
            return content
        if isinstance(content, FileNotFoundError | PermissionError):  # about this file: it may be gone since
            return f"{UNREAD}{one_line(content)}"
        if isinstance(content, self._opened.errors):  # about the store: thousands more would wait for the same
            raise refused(self.name, content) from content
        raise content


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


def _remote_found(path: str, facts: dict[str, Any]) -> Found:
    told = {name.lower(): str(value) for name, value in facts.items()}
    if "etag" in told:
        # Of the content. The time and the class of storage change without it when a bucket's own rules move an object.
        told = {name: told[name] for name in ("etag", "size") if name in told}
    # Other stores name their time differently (mtime, created, updated): all that they tell is hashed.
    stamp = hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()[:20]
    return Found(path=path, stamp=stamp, is_settled=bool(told.keys() - {"name", "size", "type"}))
