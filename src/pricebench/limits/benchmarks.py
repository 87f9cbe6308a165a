"""The limit of a stored benchmark, from what it noted beside its samples. No torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pricebench.history import Benchmark
from pricebench.limits.records import FOLDER, Limits, Precision
from pricebench.limits.roofline import Roof, roof
from pricebench.units import Second


def roof_of(limits: Limits, benchmark: Benchmark) -> Roof | None:
    """None where a case noted no FLOP, ran on another device, or on threads or in a precision that was not measured."""
    info = benchmark.extra_info
    flop, size, threads, operators = (_count(info.get(name)) for name in ("flop", "bytes", "threads", "operators"))
    precision = next((each for each in Precision if each == info.get("dtype")), None)
    if not flop or threads is None or precision is None or info.get("device") != "cpu":
        return None
    return roof(limits, flop=flop, size=size or 0, threads=threads, precision=precision, operators=operators)


def limit_of(limits: Limits | None) -> Callable[[Benchmark], Second | None]:
    """The least time that a benchmark can take on a machine; None of those for which that is not known."""

    def limit(benchmark: Benchmark) -> Second | None:
        found = None if limits is None else roof_of(limits, benchmark)
        return None if found is None else found.seconds

    return limit


def told(limits: Limits | None, reports: Path) -> str:
    """What `of the limit` means, or how to get that column."""
    if limits is None:
        return "no limits of this machine are stored: pricebench limits measures them, for the column 'of the limit'"
    return (
        "'of the limit' is the time that arithmetic and compulsory bytes need at the best that this machine reached, "
        f"over the median; limits of {limits.started[:10]} in {reports / FOLDER}"
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
