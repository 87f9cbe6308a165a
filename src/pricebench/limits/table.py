"""Limits as tables for a terminal or a document, and what to set where a library leaves much on the floor."""

from __future__ import annotations

from pricebench.limits.records import Limits, Precision, Product, Rate
from pricebench.limits.roofline import peak
from pricebench.section import Section
from pricebench.units import counted, format_duration

_FLOOR = 0.2  # of the best library's rate
_GIGA = 1e9
SHIPPED = "torch.mm"


def sections(limits: Limits) -> list[Section]:
    """Everything that was measured."""
    threads = sorted({rate.threads for rate in limits.rates})
    found = [products(limits, precision, number) for number in threads for precision in Precision]
    return [*(section for section in found if section.rows), memory(limits), calls(limits)]


def products(limits: Limits, precision: Precision, threads: int) -> Section:
    """Rates of one precision: a row per library, with what it really computed in where that is less."""
    rates = [rate for rate in limits.rates if rate.precision is precision and rate.threads == threads]
    shapes = list(dict.fromkeys(rate.product for rate in rates))
    best = {shape: _fastest(rates, shape) for shape in shapes}
    rows = []
    for library in dict.fromkeys(rate.library for rate in rates):
        own = {rate.product: rate for rate in rates if rate.library == library}
        kinds = {rate.arithmetic for rate in own.values()} - {precision}
        name = f"{library}: {', '.join(sorted(kinds))}" if kinds else library
        rows.append((name, *(_rate(own.get(shape), best[shape]) for shape in shapes)))
    unit = "GOP/s" if precision is Precision.INT8 else "GFLOP/s"
    return Section(
        title=f"{precision}, {counted(threads, 'thread')}: {unit}, in brackets the share of the best",
        header=("library", *map(str, shapes)),
        rows=tuple(rows),
    )


def memory(limits: Limits) -> Section:
    """Bandwidth by the size of what is read."""
    threads = sorted({each.threads for each in limits.bandwidths})
    sizes = sorted({each.size for each in limits.bandwidths})
    by_key = {(each.size, each.threads): each for each in limits.bandwidths}
    rows = [
        (
            _size(size),
            *(
                f"{found.per_second / _GIGA:.1f} ({found.how})" if (found := by_key.get((size, number))) else "-"
                for number in threads
            ),
        )
        for size in sizes
    ]
    return Section(
        title="Reading an array again and again, GB/s",
        header=("array", *(counted(number, "thread") for number in threads)),
        rows=tuple(rows),
    )


def calls(limits: Limits) -> Section:
    """What surrounds a product."""
    titles = {
        "python": "a Python function that does nothing",
        "dispatcher": "an operator without a kernel (aten::alias)",
        "operator": "the smallest operator (one sum of one number)",
        "clock": "time.perf_counter",
    }
    rows = tuple((titles.get(name, name), format_duration(seconds)) for name, seconds in limits.calls.items())
    return Section(title="Calls", header=("what", "seconds"), rows=rows)


def sentences(limits: Limits) -> list[str]:
    """What follows from the tables."""
    said = []
    for threads in sorted({rate.threads for rate in limits.rates}):
        best = peak(limits, threads=threads, precision=Precision.FLOAT32)
        if best:
            rate = best.flop_per_second / _GIGA
            said.append(
                f"{counted(threads, 'thread')}: float32 reaches {rate:.0f} GFLOP/s, by {best.library} "
                f"on {best.product}."
            )
        for shape in dict.fromkeys(rate.product for rate in limits.rates):
            said += _left(limits, shape, threads)
    lacking = [f"{name}: {told}" for name, told in limits.versions.items() if not told[:1].isdigit()]
    return [
        *said,
        *(f"Not measured: {words}." for words in lacking),
        f"Instructions: {', '.join(limits.instructions)}.",
    ]


def _left(limits: Limits, shape: Product, threads: int) -> list[str]:
    """Whether torch, as it is shipped, leaves more than a fifth on the floor."""
    rates = [
        rate
        for rate in limits.rates
        if rate.product == shape and rate.threads == threads and rate.precision is Precision.FLOAT32
    ]
    shipped = next((rate for rate in rates if rate.library == SHIPPED), None)
    best = _fastest(rates, shape)
    if shipped is None or best is None or shipped.flop_per_second >= (1 - _FLOOR) * best.flop_per_second:
        return []
    left = 1 - shipped.flop_per_second / best.flop_per_second
    told = (
        f"{counted(threads, 'thread')}, {shape}: {SHIPPED} leaves {left:.0%} on the floor; {best.library} is "
        f"{shipped.seconds / best.seconds:.2f} times faster. "
        f"To have it: {limits.advice.get(best.library, best.library)}."
    )
    return [told]


def _fastest(rates: list[Rate], shape: Product) -> Rate | None:
    """Of those that computed what they were asked for."""
    return max(
        (rate for rate in rates if rate.product == shape and rate.arithmetic == rate.precision),
        key=lambda rate: rate.flop_per_second,
        default=None,
    )


def _rate(rate: Rate | None, best: Rate | None) -> str:
    if rate is None:
        return "-"
    share = f" ({rate.flop_per_second / best.flop_per_second:.2f})" if best else ""
    return f"{rate.flop_per_second / _GIGA:.1f}{share}"


def _size(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"
