"""Benchmarks of a run as tables: the contestants of a group beside each other, with their ratio to a reference.

The first parameter of a benchmark's id names the contestant (`compile` in `test_forward[compile-full]`), the others
with the function name the group. A case that notes `beside: test_forward` stands in the group of that function,
with its role. The reference is `eager`, or else the fastest that notes `role: rival`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pricebench.history.records import Benchmark
from pricebench.units import Second, format_duration, format_error, format_rate

REFERENCE = "eager"
_BESIDE = "beside"  # in `extra_info`: the function whose group a case of another function belongs to
_EVENT = "_s"  # the end of the name of an event's seconds in `extra_info`


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant.

    Attributes:
        name: The contestant.
        median: Per call.
        iqr: Interquartile range.
        rounds: Samples.
        ratio: Median over the reference's, or None without one.
        rows_per_second: From `extra_info["rows"]`, or None.
        max_abs_error: Against eager in float64, or None.
        versus_stored: Median over the stored run's, or None.
        of_limit: The part of the median that the machine's limits need, or None where that is not known.
        events: Single events that the case noted beside its samples, by name.
    """

    name: str
    median: Second
    iqr: Second
    rounds: int
    ratio: float | None
    rows_per_second: float | None
    max_abs_error: float | None
    versus_stored: float | None
    of_limit: float | None
    events: Mapping[str, Second]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Contestants that did the same work.

    Attributes:
        title: Function and the parameters that they share.
        reference: Whose median the ratios are to, or None.
        rows: In the order of the run.
    """

    title: str
    reference: str | None
    rows: tuple[Row, ...]


def side_by_side(
    benchmarks: Sequence[Benchmark],
    stored: Mapping[str, Second] | None = None,
    limit: Callable[[Benchmark], Second | None] | None = None,
) -> list[Group]:
    """Group benchmarks.

    Args:
        benchmarks: Of one run.
        stored: Medians by full name of the run to compare with.
        limit: The least seconds that a benchmark can take here, or None where that is not known.
    """
    grouped: dict[str, list[Benchmark]] = {}
    for benchmark in benchmarks:
        function = str(benchmark.extra_info.get(_BESIDE, benchmark.function))
        title = " ".join((function.removeprefix("test_"), *benchmark.params[1:]))
        grouped.setdefault(title, []).append(benchmark)
    return [_group(title, members, stored or {}, limit or _unlimited) for title, members in grouped.items()]


def _unlimited(benchmark: Benchmark) -> None:  # noqa: ARG001 - where nobody measured limits
    return None


def _group(
    title: str,
    members: Sequence[Benchmark],
    stored: Mapping[str, Second],
    limit: Callable[[Benchmark], Second | None],
) -> Group:
    reference = _reference(members)
    return Group(
        title=title,
        reference=_contestant(reference) if reference else None,
        rows=tuple(_row(member, reference, stored.get(member.fullname), limit(member)) for member in members),
    )


def _contestant(benchmark: Benchmark) -> str:
    name = benchmark.params[0] if benchmark.params else benchmark.function.removeprefix("test_")
    # A mode and a rival may have one name.
    return f"{name} ({benchmark.extra_info.get('role', 'other')})" if _BESIDE in benchmark.extra_info else name


def _reference(members: Sequence[Benchmark]) -> Benchmark | None:
    for member in members:
        if _contestant(member) == REFERENCE:
            return member
    rivals = [member for member in members if member.extra_info.get("role") == "rival"]
    return min(rivals, key=lambda rival: rival.median, default=None)


def _row(benchmark: Benchmark, reference: Benchmark | None, stored: Second | None, limit: Second | None) -> Row:
    rows = benchmark.extra_info.get("rows")
    return Row(
        name=_contestant(benchmark),
        median=benchmark.median,
        iqr=benchmark.iqr,
        rounds=benchmark.rounds,
        ratio=benchmark.median / reference.median if reference else None,
        rows_per_second=rows / benchmark.median if rows else None,
        max_abs_error=benchmark.extra_info.get("max_abs_error"),
        versus_stored=benchmark.median / stored if stored else None,
        of_limit=limit / benchmark.median if limit is not None else None,
        events={
            name.removesuffix(_EVENT).replace("_", " "): value
            for name, value in benchmark.extra_info.items()
            if name.endswith(_EVENT) and isinstance(value, float)
        },
    )


def cells(row: Row, reference: str | None) -> dict[str, str]:
    """A row as text by column title; an unknown is a dash."""
    texts = {
        "": row.name,
        "median": format_duration(row.median),
        "IQR": format_duration(row.iqr) if row.rounds > 1 else "single",
        f"/ {reference}" if reference else "ratio": _ratio(row.ratio),
        "rows": format_rate(row.rows_per_second) if row.rows_per_second else "-",
        "max error": format_error(row.max_abs_error) if row.max_abs_error is not None else "-",
        "n": str(row.rounds),
    }
    if row.of_limit is not None:
        texts["of the limit"] = f"{row.of_limit:.0%}"
    texts |= {name: format_duration(event) for name, event in row.events.items()}
    if row.versus_stored is not None:
        texts["/ stored"] = _ratio(row.versus_stored)
    return texts


def _ratio(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 99.5 else f"{value:,.0f}"
