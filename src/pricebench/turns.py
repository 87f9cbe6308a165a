"""Calls that are timed in turns, slice by slice: what slows the machine for a while slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

from pricebench.units import Second

Call: TypeAlias = Callable[[], object]
Setting: TypeAlias = Callable[[], AbstractContextManager[Any]]


def in_turns(
    calls: Mapping[str, Call],
    *,
    slice_seconds: Second,
    slices: int,
    settings: Mapping[str, Setting] | None = None,
    rest: Second = 0.0,
) -> dict[str, list[Second]]:
    """Seconds per call of each, in the order of slices, after a round that warms up.

    Args:
        calls: By name.
        slice_seconds: How long a slice is about, by the round that warms up.
        slices: Of each.
        settings: Entered around the slices of a call, where it needs one.
        rest: Before each slice, and then a call that is not timed. Threads that a call has used go on looking for work
            for up to some hundredths of a second, on the cores of the next one.
    """
    counts: dict[str, int] = {}
    times: dict[str, list[Second]] = {name: [] for name in calls}
    for turn in range(slices + 1):
        for name, call in calls.items():
            with (settings or {}).get(name, nullcontext)():
                if turn == 0:
                    counts[name] = max(1, int(slice_seconds / seconds_per_call(call, 3)))
                else:
                    if rest:
                        time.sleep(rest)
                        call()
                    times[name].append(seconds_per_call(call, counts[name]))
    return times


def seconds_per_call(call: Call, number: int) -> Second:
    """Of so many calls, one after another."""
    started = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - started) / number
