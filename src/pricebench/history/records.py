"""A stored run, read from pytest-benchmark's JSON into frozen records in base units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pricebench.errors import PricebenchError
from pricebench.units import Second


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
    """

    fullname: str
    function: str
    params: tuple[str, ...]
    median: Second
    iqr: Second
    rounds: int
    extra_info: Mapping[str, Any]

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Benchmark:
        """Build from an entry of `benchmarks`; the statistics may be nested under `stats` or lie flat beside it."""
        stats = entry.get("stats", entry)
        name, _, rest = str(entry["name"]).partition("[")
        return cls(
            fullname=str(entry["fullname"]),
            function=name,
            params=tuple(rest.removesuffix("]").split("-")) if rest else (),
            median=float(stats["median"]),
            iqr=float(stats["iqr"]),
            rounds=int(stats["rounds"]),
            extra_info=entry.get("extra_info") or {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stored run.

    Attributes:
        fingerprint: Digest of machine and stack, or None in files that pricebench's plugin did not write.
        facts: What the fingerprint was made of.
        commit: Full commit id, or "unversioned".
        datetime: ISO 8601, UTC.
        data: Name of the data set, or "unknown".
        warnings: What whoever shows the numbers must show too.
        benchmarks: In the order of the run.
    """

    fingerprint: str | None
    facts: Mapping[str, Any]
    commit: str
    datetime: str
    data: str
    warnings: tuple[str, ...]
    benchmarks: tuple[Benchmark, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Run:
        """Build from a whole file's content.

        Raises:
            HistoryError: The content is not pytest-benchmark's.
        """
        try:
            own = content.get("pricebench") or {}
            return cls(
                fingerprint=content["machine_info"].get("fingerprint"),
                facts=content["machine_info"].get("facts") or {},
                commit=str(content["commit_info"].get("id") or "unversioned"),
                datetime=str(content["datetime"]),
                data=str(own.get("data") or "unknown"),
                warnings=tuple(map(str, own.get("warnings") or ())),
                benchmarks=tuple(Benchmark.from_json(entry) for entry in content["benchmarks"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HistoryError(f"expected the JSON of pytest-benchmark, found content without {error}.") from error
