"""Reading a Chrome trace of torch.profiler, of any size, without torch: what ran where, in columns.

The file is parsed as a stream, and of each event only what the analysis needs is kept, in some 30 bytes: a trace of
200 MB costs tens of megabytes. Times are whole nanoseconds, the resolution of the profiler's files, so that sums are
exact; everything that leaves this package is in seconds.
"""

from __future__ import annotations

import gzip
import io
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import IO, Any, TypeAlias

import ijson
import numpy as np
from numpy.typing import NDArray

from pricebench.errors import TraceError
from pricebench.files import open_file

Nanosecond: TypeAlias = int

STEP_MARK = "ProfilerStep#"  # what torch.profiler writes around a step, and HTA and TensorBoard look for
_MAX_EVENTS = 30_000_000  # a gigabyte of columns; a file that claims more is no trace of a few steps
_MAX_NAME = 300  # C++ kernel names go on for thousands of characters
_LATEST: Nanosecond = 2**62
_PROFILE = "Make one with: pricebench profile."


class Kind(IntEnum):
    """What an event is; events of other categories, such as Python functions and flow arrows, are not kept."""

    OPERATOR = 0
    RUNTIME = 1
    DEVICE = 2
    STEP = 3


_KINDS = {
    "cpu_op": Kind.OPERATOR,
    "cuda_runtime": Kind.RUNTIME,
    "cuda_driver": Kind.RUNTIME,
    "kernel": Kind.DEVICE,
    "gpu_memcpy": Kind.DEVICE,
    "gpu_memset": Kind.DEVICE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Events in columns of one length, sorted by start, longer ones first.

    Attributes:
        name: The file's name.
        start: Nanoseconds since the trace's base time.
        end: Nanoseconds; at least `start`.
        kind: A `Kind` each.
        label: Index into `labels`.
        track: Index into `tracks`.
        correlation: Ties a device event to the runtime call that launched it; -1 where there is none.
        labels: Names of operators, calls and kernels.
        tracks: Process and thread of host events, device and stream of device events, as the file writes them.
    """

    name: str
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    kind: NDArray[np.int8]
    label: NDArray[np.int32]
    track: NDArray[np.int32]
    correlation: NDArray[np.int64]
    labels: tuple[str, ...]
    tracks: tuple[tuple[str, str], ...]


class _Columns:
    """Grows while the file is read."""

    def __init__(self) -> None:
        self.start = array("q")
        self.end = array("q")
        self.kind = array("b")
        self.label = array("i")
        self.track = array("i")
        self.correlation = array("q")
        self.labels: dict[str, int] = {}
        self.tracks: dict[tuple[str, str], int] = {}
        self.categories: Counter[str] = Counter()
        self.num_events = 0

    def add(self, event: Any) -> None:
        """Keep what is needed of one event."""
        number = self.num_events
        self.num_events += 1
        if not isinstance(event, dict):
            raise TraceError(f"event {number} is {_shown(event)}, expected an object. {_PROFILE}")
        category = event.get("cat")
        if event.get("ph") != "X" or not isinstance(category, str):
            return
        if len(self.categories) < 100 or category in self.categories:
            self.categories[category] += 1
        name = event.get("name")
        if category == "user_annotation" and isinstance(name, str) and name.startswith(STEP_MARK):
            kind = Kind.STEP
        elif category in _KINDS:
            kind = _KINDS[category]
        else:
            return
        if not isinstance(name, str):
            raise TraceError(f"event {number}: name is {_shown(name)}, expected text. {_PROFILE}")
        start = _nanoseconds(event.get("ts"), number, "ts")
        duration = _nanoseconds(event.get("dur"), number, "dur")
        if duration < 0:
            raise TraceError(f"event {number}: dur is {_shown(event['dur'])}, expected at least 0. {_PROFILE}")
        if len(self.start) >= _MAX_EVENTS:
            raise TraceError(f"more than {_MAX_EVENTS:,} events, expected a trace of a few steps. {_PROFILE}")
        arguments = event.get("args")
        correlation = arguments.get("correlation") if isinstance(arguments, dict) else None
        if not isinstance(correlation, int) or not 0 <= correlation < _LATEST:
            correlation = -1
        self.start.append(start)
        self.end.append(start + duration)
        self.kind.append(kind)
        self.label.append(self.labels.setdefault(name[:_MAX_NAME], len(self.labels)))
        track = (str(event.get("pid"))[:_MAX_NAME], str(event.get("tid"))[:_MAX_NAME])
        self.track.append(self.tracks.setdefault(track, len(self.tracks)))
        self.correlation.append(correlation)

    def trace(self, name: str) -> Trace:
        """The finished columns, sorted."""
        start = np.frombuffer(self.start, np.int64)
        end = np.frombuffer(self.end, np.int64)
        order = np.lexsort((-end, start))
        return Trace(
            name=name,
            start=start[order],
            end=end[order],
            kind=np.frombuffer(self.kind, np.int8)[order],
            label=np.frombuffer(self.label, np.int32)[order],
            track=np.frombuffer(self.track, np.int32)[order],
            correlation=np.frombuffer(self.correlation, np.int64)[order],
            labels=tuple(self.labels),
            tracks=tuple(self.tracks),
        )


def read_trace(path: Path) -> Trace:
    """Read a trace, plain or gzipped, as an object with `traceEvents` or as a bare list of events.

    Raises:
        TraceError: The file is missing, truncated, no trace, or a trace without marked steps; says what was found.
    """
    columns = _Columns()
    try:
        with _opened(path) as (file, prefix):
            for event in ijson.items(file, prefix):
                columns.add(event)
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from error
    except (ijson.IncompleteJSONError, EOFError) as error:
        # yajl reports a wrong character with the same class as an early end.
        if isinstance(error, EOFError) or "premature" in str(error):
            raise TraceError(
                f"{path}: truncated: the file ends in the middle, after {columns.num_events:,} whole events. {_PROFILE}"
            ) from error
        raise TraceError(_no_json(path, columns)) from error
    except ijson.JSONError as error:
        raise TraceError(_no_json(path, columns)) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TraceError(f"{path}: expected a whole gzip file, found a damaged one ({error}). {_PROFILE}") from error
    except OSError as error:
        raise TraceError(f"{path}: expected a trace, found {error.strerror or error}. {_PROFILE}") from error
    if Kind.STEP not in columns.kind:
        raise TraceError(f"{path}: expected steps marked {STEP_MARK}N, found {_found(columns)}. {_PROFILE}")
    return columns.trace(path.name)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """The uncompressed bytes, and where ijson finds the events in them."""
    with open_file(path) as raw:
        # By its first bytes, not by its name: browsers and mail programs rename.
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with io.BufferedReader(gzip.GzipFile(fileobj=raw) if is_gzip else raw, 1 << 16) as file:
            first = file.peek(1 << 12).lstrip()[:1]
            if first not in (b"{", b"["):
                found = f"a file that begins with {first!r}" if first else "an empty file"
                raise TraceError(f"expected the JSON of a Chrome trace, found {found}. {_PROFILE}")
            yield file, "traceEvents.item" if first == b"{" else "item"


def _nanoseconds(value: Any, number: int, key: str) -> Nanosecond:
    """Microseconds with three decimals, as the file has them, exactly."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if is_number and abs(value) < _LATEST // 1000:
        return int(round(value * 1000))  # noqa: RUF046 - the type checker cannot know
    raise TraceError(f"event {number}: {key} is {_shown(value)}, expected microseconds. {_PROFILE}")


def _no_json(path: Path, columns: _Columns) -> str:
    return f"{path}: expected JSON, found something else after {columns.num_events:,} events. {_PROFILE}"


def _found(columns: _Columns) -> str:
    if not columns.num_events:
        return "JSON without trace events"
    kinds = ", ".join(f"{number:,} {category[:30]}" for category, number in columns.categories.most_common(4))
    return f"{columns.num_events:,} events and none of them a step" + (f" ({kinds})" if kinds else "")


def _shown(value: Any) -> str:
    return ascii(str(value))[:40] if value is not None else "missing"
