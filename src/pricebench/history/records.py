"""A stored run, read from pytest-benchmark's JSON of any version from 3.0 on into frozen records in base units.

What a version did not write is None or empty: unknown is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime as Moment  # noqa: N812 - a run has a field of that name
from typing import Any, TypeVar

from pricebench.errors import PricebenchError
from pricebench.fields import (
    WrongFieldError,
    as_object,
    built_in,
    count_in,
    each_in,
    optional_count,
    optional_flag,
    optional_object,
    optional_seconds,
    optional_text,
    scalars_in,
    seconds_in,
    text_in,
    texts_in,
    times_in,
)
from pricebench.history.fingerprint import stated_machine
from pricebench.units import Second

T = TypeVar("T")
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
    def from_json(cls, entry: Any) -> Benchmark:
        """Build from an entry of `benchmarks`; the statistics may be nested under `stats` or lie flat beside it.

        Raises:
            WrongFieldError: The entry is not pytest-benchmark's.
        """
        return cls(**benchmark_fields(entry), samples=_of_stats(entry, lambda stats: times_in(stats, "data")))


def stated_workload(extra_info: Mapping[str, Any]) -> str | None:
    """The workload that a case noted beside its samples, or None."""
    found = extra_info.get("workload")
    return found if isinstance(found, str) else None


def benchmark_fields(entry: Any) -> dict[str, Any]:
    """The arguments of `Benchmark` but its samples, at half the cost of building one: an index needs no more.

    Raises:
        WrongFieldError: The entry is not pytest-benchmark's.
    """
    name, _, rest = text_in(as_object(entry), "name").partition("[")
    fullname = text_in(entry, "fullname")
    return _of_stats(entry, _statistics) | {
        "fullname": fullname,
        "function": name,
        "params": tuple(rest.removesuffix("]").split("-")) if rest else (),
        "extra_info": optional_object(entry, "extra_info"),
        "group": optional_text(entry, "group"),
        "timer": optional_text(optional_object(entry, "options"), "timer"),
    }


def _of_stats(entry: dict[str, Any], build: Callable[[dict[str, Any]], T]) -> T:
    return built_in(entry, "stats", build) if "stats" in entry else build(entry)


def _statistics(stats: dict[str, Any]) -> dict[str, Any]:
    return {
        "median": seconds_in(stats, "median"),
        "iqr": seconds_in(stats, "iqr"),
        "rounds": count_in(stats, "rounds"),
        "minimum": optional_seconds(stats, "min"),
        "maximum": optional_seconds(stats, "max"),
        "mean": optional_seconds(stats, "mean"),
        "stddev": optional_seconds(stats, "stddev"),
        "q1": optional_seconds(stats, "q1"),
        "q3": optional_seconds(stats, "q3"),
        "iterations": optional_count(stats, "iterations"),
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
    def from_json(cls, content: Any) -> Run:
        """Build from a whole file's content.

        Raises:
            HistoryError: The content is not pytest-benchmark's.
        """
        with refusing_foreign():
            machine = built_in(as_object(content), "machine_info", _machine)
            stated_time = text_in(content, "datetime")
            return cls(
                **machine,
                **built_in(content, "commit_info", _commit, is_needed=False),
                **built_in(content, "pricebench", _own, is_needed=False),
                datetime=stated_time,
                stored_at=_in_utc(stated_time),
                version=optional_text(content, "version"),
                benchmarks=tuple(each_in(content, "benchmarks", Benchmark.from_json)),
            )


def _machine(machine_info: dict[str, Any]) -> dict[str, Any]:
    fingerprint, partial = optional_text(machine_info, "fingerprint"), stated_machine(machine_info)
    return {
        "fingerprint": fingerprint,
        "machine": fingerprint or partial.key,
        "facts": scalars_in(machine_info, "facts") or partial.facts,
    }


def _commit(commit_info: dict[str, Any]) -> dict[str, Any]:
    return {
        "commit": optional_text(commit_info, "id") or UNVERSIONED,
        "branch": optional_text(commit_info, "branch"),
        "commit_time": optional_text(commit_info, "time"),
        "is_dirty": optional_flag(commit_info, "dirty"),
    }


def _own(pricebench: dict[str, Any]) -> dict[str, Any]:
    return {"data": optional_text(pricebench, "data") or "unknown", "warnings": texts_in(pricebench, "warnings")}


@contextmanager
def refusing_foreign() -> Iterator[None]:
    """Turn a field that is not pytest-benchmark's into the sentence that refuses its file."""
    try:
        yield
    except WrongFieldError as error:
        raise HistoryError(f"expected the JSON of pytest-benchmark; {error}. Delete the file or restore it.") from error


def _in_utc(text: str) -> Moment | None:
    try:
        moment = Moment.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: the zone leads out of the years that there are
        return None
