"""Measuring limits: all libraries take turns on each product, slice by slice; the best slice of the best is the limit.

A limit is what can be reached: the fastest slice counts, for what disturbs a slice only makes it slower.
"""

from __future__ import annotations

import statistics
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import torch

from pricebench.cpu import cpu_flags
from pricebench.limits.libraries import LIBRARIES, Library, Operands, as_float64
from pricebench.limits.records import Bandwidth, Limits, Precision, Product, Rate
from pricebench.load import LoadMeter
from pricebench.machine import this_machine
from pricebench.modes.base import reason_of
from pricebench.turns import in_turns, seconds_per_call
from pricebench.units import Second, counted

# The layers of the default model, full batch; its middle layer for few houses; and a square that caches hold no more.
PRODUCTS = (
    Product(rows=2048, inner=256, columns=256),
    Product(rows=2048, inner=5, columns=256),
    Product(rows=2048, inner=256, columns=1),
    Product(rows=64, inner=256, columns=256),
    Product(rows=8, inner=256, columns=256),
    Product(rows=1, inner=256, columns=256),
    Product(rows=1024, inner=1024, columns=1024),
)
SIZES = tuple(2**power for power in (15, 18, 20, 22, 24, 28))  # of arrays, in bytes: 32 KiB to 256 MiB

_SLICE: Second = 3e-3
_SLICES = 15
_REST: Second = 0.05  # with several threads; OpenBLAS's look for work for 2**26 cycles
# Of errors, as shares of the sum of the products' magnitudes. Inputs rounded to bfloat16 or TF32 give 2**-16 and more
# in some of many thousand sums; float32 in any order 2**-20 and less for sums of up to a thousand terms.
_FLOAT32_ERROR = 2.0**-18
_WRONG = 2.0**-6
_MATRIX = (
    "avx2",
    "avx512f",
    "avx512_bf16",
    "avx512_vnni",
    "avx_vnni",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
)


def measure(*, threads: Sequence[int], compiled: bool, say: Callable[[str], None]) -> Limits:
    """Measure this machine, in this process.

    Args:
        threads: Each number of threads that is measured.
        compiled: Also libraries that compile for each product: ten seconds and more for each that is not cached.
        say: Is told what happens.
    """
    meter, now, machine = LoadMeter(), datetime.now(UTC), this_machine()
    before = torch.get_num_threads()
    asked = [library for library in LIBRARIES if compiled or not library.compiles]
    there, lacking = _tried(asked)
    rates: list[Rate] = []
    bandwidths: list[Bandwidth] = []
    try:
        with torch.inference_mode():
            for number in threads:
                torch.set_num_threads(number)
                for product in PRODUCTS:
                    say(f"{counted(number, 'thread')}: {product}")
                    for precision in Precision:
                        rates += measured([each for each in there if each.precision is precision], product, number)
                say(f"{counted(number, 'thread')}: memory")
                bandwidths += [bandwidth(size, number) for size in SIZES]
            calls = costs_of_calls()
    finally:
        torch.set_num_threads(before)
    return Limits(
        started=now.isoformat(timespec="seconds"),
        fingerprint=machine.digest,
        machine=asdict(machine),
        instructions=tuple(flag for flag in _MATRIX if flag in cpu_flags()),
        versions={library.name: lacking.get(library.name) or library.version() for library in asked},
        advice={library.name: library.advice for library in asked},
        rates=tuple(rates),
        bandwidths=tuple(bandwidths),
        calls=calls,
        warnings=tuple(meter.warnings()),
    )


def _tried(libraries: Sequence[Library]) -> tuple[list[Library], dict[str, str]]:
    """Those that can multiply here, and why the others cannot: operators that torch keeps to itself come and go."""
    there, lacking = [], {}
    small = Product(rows=8, inner=8, columns=8)
    for library in libraries:
        reason = library.missing()
        if reason is None:
            try:
                library.prepare(Operands.of(small, library.precision, seed=0), torch.get_num_threads())()
            except (RuntimeError, TypeError) as error:
                reason = f"it failed: {reason_of(error)}"
        if reason is None:
            there.append(library)
        else:
            lacking[library.name] = reason
    return there, lacking


def measured(libraries: Sequence[Library], product: Product, threads: int, *, seed: int = 0) -> list[Rate]:
    """One product by each library, with its error; `threads` are torch's already."""
    if not libraries:
        return []
    operands = Operands.of(product, libraries[0].precision, seed)
    x_MK, w_KN = operands.x_MK.astype(np.float64), operands.w_KN.astype(np.float64)
    exact_MN, magnitude_MN = x_MK @ w_KN, np.abs(x_MK) @ np.abs(w_KN)
    multiplies = {library.name: library.prepare(operands, threads) for library in libraries}
    errors = {}
    for library in libraries:
        with library.setting():
            found_MN = as_float64(multiplies[library.name]())
        errors[library.name] = float((np.abs(found_MN - exact_MN) / np.maximum(magnitude_MN, 1e-30)).max())
    settings = {library.name: library.setting for library in libraries}
    times = in_turns(
        multiplies, slice_seconds=_SLICE, slices=_SLICES, settings=settings, rest=_REST if threads > 1 else 0.0
    )
    return [
        Rate(
            library=library.name,
            precision=library.precision,
            threads=threads,
            product=product,
            seconds=min(times[library.name]),
            median=statistics.median(times[library.name]),
            error=errors[library.name],
            arithmetic=arithmetic_of(library.precision, errors[library.name]),
        )
        for library in libraries
    ]


def arithmetic_of(precision: Precision, error: float) -> str:
    """What a product was really computed in, as its error tells.

    Whole numbers of eight bits have exact products, and sums that float32 still holds exactly.
    """
    if precision is Precision.INT8:
        return str(precision) if error == 0.0 else "wrong: its sums overflow"
    if error >= _WRONG:
        return "wrong"
    if precision is Precision.FLOAT32 and error > _FLOAT32_ERROR:
        return "less than float32"
    return str(precision)


def bandwidth(size: int, threads: int) -> Bandwidth:
    """Read an array of so many bytes again and again, in the ways that torch has; what a call costs is taken off."""
    x_N = torch.ones(size // 4)
    few_N = torch.ones(16)
    matrix_RC = x_N.view(-1, 256)
    one_C = torch.ones(256)
    readers: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "torch.sum": (lambda: torch.sum(x_N), lambda: torch.sum(few_N)),
        "torch.dot": (lambda: torch.dot(x_N, x_N), lambda: torch.dot(few_N, few_N)),
        "torch.mv": (lambda: torch.mv(matrix_RC, one_C), lambda: torch.mv(matrix_RC[:1], one_C)),
    }
    found = []
    for how, (read, empty) in readers.items():
        number = max(1, int(_SLICE / seconds_per_call(read, 3)))
        seconds = min(seconds_per_call(read, number) for _ in range(_SLICES))
        call = min(seconds_per_call(empty, 1000) for _ in range(3))
        # Never more than half: what is left would be the difference of two noises.
        found.append((size / max(seconds - call, seconds / 2), how))
    per_second, how = max(found)
    return Bandwidth(size=size, threads=threads, per_second=per_second, how=how)


def _nothing() -> None:
    """Do nothing."""


def costs_of_calls() -> dict[str, Second]:
    """What surrounds a product: a call of Python, a dispatcher that finds no work, the smallest operator, a clock."""
    x_1, y_1 = torch.ones(1), torch.ones(1)
    alias = torch.ops.aten.alias.default
    calls: dict[str, Callable[[], object]] = {
        "python": _nothing,
        "dispatcher": lambda: alias(x_1),
        "operator": lambda: torch.add(x_1, x_1, out=y_1),
        "clock": time.perf_counter,
    }
    number = 10_000
    return {name: min(timeit.repeat(call, number=number, repeat=7)) / number for name, call in calls.items()}
