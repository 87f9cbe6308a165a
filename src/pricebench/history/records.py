"""A stored run, read from pytest-benchmark's JSON of any version from 3.0 on into frozen records in base units.

What a version did not write is None or empty: unknown is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
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

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], *, with_samples: bool = True) -> Benchmark:
        """Build from an entry of `benchmarks`; the statistics may be nested under `stats` or lie flat beside it."""
        stats = entry.get("stats", entry)
        name, _, rest = str(entry["name"]).partition("[")
        group, iterations, timer = (
            entry.get("group"),
            stats.get("iterations"),
            (entry.get("options") or {}).get("timer"),
        )
        return cls(
            fullname=str(entry["fullname"]),
            function=name,
            params=tuple(rest.removesuffix("]").split("-")) if rest else (),
            median=float(stats["median"]),
            iqr=float(stats["iqr"]),
            rounds=_count(stats["rounds"]),
            extra_info=dict(entry.get("extra_info") or {}),
            group=None if group is None else str(group),
            minimum=_seconds(stats.get("min")),
            maximum=_seconds(stats.get("max")),
            mean=_seconds(stats.get("mean")),
            stddev=_seconds(stats.get("stddev")),
            q1=_seconds(stats.get("q1")),
            q3=_seconds(stats.get("q3")),
            iterations=None if iterations is None else _count(iterations),
            timer=None if timer is None else str(timer),
            samples=tuple(map(float, stats.get("data") or ())) if with_samples else (),
        )


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
    def from_json(cls, content: Mapping[str, Any], *, with_samples: bool = True) -> Run:
        """Build from a whole file's content; `with_samples=False` leaves the raw samples out, and is faster.

        Raises:
            HistoryError: The content is not pytest-benchmark's.
        """
        try:
            own = content.get("pricebench") or {}
            machine_info, commit = content["machine_info"] or {}, content["commit_info"] or {}
            fingerprint = machine_info.get("fingerprint")
            dirty = commit.get("dirty")
            partial = stated_machine(machine_info)
            return cls(
                fingerprint=None if fingerprint is None else str(fingerprint),
                facts=dict(machine_info.get("facts") or partial.facts),
                commit=str(commit.get("id") or UNVERSIONED),
                datetime=str(content["datetime"]),
                data=str(own.get("data") or "unknown"),
                warnings=tuple(map(str, own.get("warnings") or ())),
                benchmarks=tuple(
                    Benchmark.from_json(entry, with_samples=with_samples) for entry in content["benchmarks"]
                ),
                machine=partial.key if fingerprint is None else str(fingerprint),
                stored_at=_in_utc(str(content["datetime"])),
                branch=_text(commit.get("branch")),
                commit_time=_text(commit.get("time")),
                is_dirty=None if dirty is None else bool(dirty),
                version=_text(content.get("version")),
            )
        except KeyError as error:
            raise HistoryError(f"expected the JSON of pytest-benchmark, found content without {error}.") from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise HistoryError(f"expected the JSON of pytest-benchmark, found other content ({error}).") from error


def _seconds(value: Any) -> Second | None:
    return None if value is None else float(value)


def _count(value: Any) -> int:
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
