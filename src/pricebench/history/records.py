"""A stored run, read from pytest-benchmark's JSON of any version from 3.0 on into frozen records in base units.

What a version did not write is None or empty: unknown is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime as Moment  # noqa: N812 - a run has a field of that name
from typing import Any

from pricebench.errors import PricebenchError
from pricebench.history.fingerprint import stated_machine
from pricebench.units import Second

UNVERSIONED = "unversioned"  # pytest-benchmark's own word for a run outside version control


class HistoryError(PricebenchError):
    """A stored run cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark of one run.

    Attributes:
        fullname: Its key: file and id.
        function: Name of the test function.
        params: Parameter values in the order of the id, as text.
        median: Per call.
        iqr: Interquartile range, per call.
        rounds: Samples behind the two.
        extra_info: What the case noted, such as `rows` and `max_abs_error`.
        group: Name of its group, or None.
        minimum: Fastest sample, or None if not stated; as the following ones.
        maximum: Slowest sample.
        mean: Arithmetic mean of the samples.
        stddev: Standard deviation of the samples, ddof 1.
        q1: First quartile.
        q3: Third quartile.
        iterations: Calls per sample.
        timer: Name of the clock.
        samples: Per call, in the order of measuring; empty where the file holds none.
    """

    fullname: str
    function: str
    params: tuple[str, ...]
    median: Second
    iqr: Second
    rounds: int
    extra_info: Mapping[str, Any]
    group: str | None = None
    minimum: Second | None = None
    maximum: Second | None = None
    mean: Second | None = None
    stddev: Second | None = None
    q1: Second | None = None
    q3: Second | None = None
    iterations: int | None = None
    timer: str | None = None
    samples: tuple[Second, ...] = ()

    @property
    def workload(self) -> str | None:
        """What was measured, or None if not stated; a benchmark's name does not say it."""
        return stated_workload(self.extra_info)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Benchmark:
        """Build from an entry of `benchmarks`; the statistics may be nested under `stats` or lie flat beside it."""
        return cls(**benchmark_fields(entry), samples=tuple(map(float, entry.get("stats", entry).get("data") or ())))


def stated_workload(extra_info: Mapping[str, Any]) -> str | None:
    """The workload that a case noted beside its samples, or None."""
    found = extra_info.get("workload")
    return found if isinstance(found, str) else None


def benchmark_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Benchmark` but its samples, at half the cost of building one: an index needs no more."""
    stats = entry.get("stats", entry)
    seconds = stats.get
    name, _, rest = str(entry["name"]).partition("[")
    return {
        "fullname": str(entry["fullname"]),
        "function": name,
        "params": tuple(rest.removesuffix("]").split("-")) if rest else (),
        "median": float(stats["median"]),
        "iqr": float(stats["iqr"]),
        "rounds": _count(stats["rounds"]),
        "extra_info": dict(entry.get("extra_info") or {}),
        "group": _text(entry.get("group")),
        "minimum": _seconds(seconds("min")),
        "maximum": _seconds(seconds("max")),
        "mean": _seconds(seconds("mean")),
        "stddev": _seconds(seconds("stddev")),
        "q1": _seconds(seconds("q1")),
        "q3": _seconds(seconds("q3")),
        "iterations": _count(stats.get("iterations")),
        "timer": _text((entry.get("options") or {}).get("timer")),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stored run.

    Attributes:
        fingerprint: Digest of machine and stack, or None in files that pricebench's plugin did not write.
        facts: What the fingerprint was made of.
        commit: Full commit id, or "unversioned".
        datetime: ISO 8601, as stated.
        data: Name of the data set, or "unknown".
        warnings: What whoever shows the numbers must show too.
        benchmarks: In the order of the run.
        machine: What decides comparability: the fingerprint; for other files `partial-` and a digest of the facts that
            pytest-benchmark states; None where a file states none.
        stored_at: `datetime` in UTC, or None if it cannot be read. Without a zone it is UTC, as old versions wrote.
        branch: Or None.
        commit_time: ISO 8601, or None.
        is_dirty: Whether the tree held changes beyond the commit, or None.
        version: pytest-benchmark's, or None.
    """

    fingerprint: str | None
    facts: Mapping[str, Any]
    commit: str
    datetime: str
    data: str
    warnings: tuple[str, ...]
    benchmarks: tuple[Benchmark, ...]
    machine: str | None
    stored_at: Moment | None
    branch: str | None
    commit_time: str | None
    is_dirty: bool | None
    version: str | None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Run:
        """Build from a whole file's content.

        Raises:
            HistoryError: The content is not pytest-benchmark's.
        """
        with refusing_foreign():
            own = content.get("pricebench") or {}
            machine_info, commit = content["machine_info"] or {}, content["commit_info"] or {}
            fingerprint = _text(machine_info.get("fingerprint"))
            dirty = commit.get("dirty")
            partial = stated_machine(machine_info)
            return cls(
                fingerprint=fingerprint,
                facts=dict(machine_info.get("facts") or partial.facts),
                commit=str(commit.get("id") or UNVERSIONED),
                datetime=str(content["datetime"]),
                data=str(own.get("data") or "unknown"),
                warnings=tuple(map(str, own.get("warnings") or ())),
                benchmarks=tuple(map(Benchmark.from_json, content["benchmarks"])),
                machine=fingerprint or partial.key,
                stored_at=_in_utc(str(content["datetime"])),
                branch=_text(commit.get("branch")),
                commit_time=_text(commit.get("time")),
                is_dirty=None if dirty is None else bool(dirty),
                version=_text(content.get("version")),
            )


@contextmanager
def refusing_foreign() -> Iterator[None]:
    """Turn what happens to content of another shape into one sentence."""
    try:
        yield
    except KeyError as error:
        raise HistoryError(f"expected the JSON of pytest-benchmark, found content without {error}.") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise HistoryError(f"expected the JSON of pytest-benchmark, found other content ({error}).") from error


def _seconds(value: Any) -> Second | None:
    return None if value is None else float(value)


def _count(value: Any) -> int | None:
    if value is None:
        return None
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"a count of {number}")
    return number


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _in_utc(text: str) -> Moment | None:
    try:
        moment = Moment.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
