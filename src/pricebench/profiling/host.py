"""The host's side of a step: every nanosecond belongs to exactly one part.

A thread's events are nested, as calls are. Flattened, each stretch of time belongs to the innermost event that covers
it, so an operator counts with its self time and nothing counts twice. Time that no event covers is Python between
operators, unless another thread of the process has an event there, as autograd's has for a CUDA model.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricebench.profiling.trace import STEP_MARK, Kind, Nanosecond, Trace


class Part(StrEnum):
    """What the host's time went into.

    Attributes:
        COMPUTE: The self time of operators that compute, and generated kernels; of a trace without a device.
        DISPATCH: Operators that only call others, views, allocations, autograd's nodes, kernel launches.
        PYTHON: No operator runs.
        GUARDS: torch.compile checks whether a compiled graph fits.
        WRAPPERS: What torch.compile runs around its kernels: prologues, autograd, the generated Python.
        WAITING: The host waits for a device.
    """

    COMPUTE = "compute"
    DISPATCH = "dispatch"
    PYTHON = "python"
    GUARDS = "guards"
    WRAPPERS = "wrappers"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, taken apart.

    Attributes:
        number: The N of ProfilerStep#N.
        start: Of the step's mark.
        end: Of the step's mark.
        parts: Adds up to `end - start`.
        gaps: Lengths of the stretches in which no operator ran, in order; adds up to the part `PYTHON`.
        self_times: Calls that began in the step, and self time, by name and part.
    """

    number: int
    start: Nanosecond
    end: Nanosecond
    parts: Mapping[Part, Nanosecond]
    gaps: tuple[Nanosecond, ...]
    self_times: Mapping[tuple[str, Part], tuple[int, Nanosecond]]


# ---- which part an event is ----------------------------------------------------------------------------------------

_GUARDS = "TorchDynamo Cache Lookup"
_WRAPPERS = (
    "Torch-Compiled Region",
    "Pregraph bytecode",
    "AOTDispatcher Runtime Wrapper",
    "## Call CompiledFxGraph",
    "CompiledFunction",
)
_GRAPH_CALL = "## Call CompiledFxGraph"
# As Inductor names what it generates, where it was told to record it: graph_0_cpp_fused_relu_0.
_GENERATED = re.compile(r"(^|_)(cpp|triton)_(\w+_)?fused_")

# They make or move descriptions of memory, or call another operator that does the work.
_BOOKKEEPING_NAMES = """
    _local_scalar_dense _reshape_alias _to_copy _unsafe_view alias as_strided broadcast_tensors chunk clone contiguous
    detach empty empty_like empty_strided expand expand_as flatten item lift_fresh narrow ones_like permute
    record_stream resize_ reshape resolve_conj resolve_neg select set_ slice split squeeze t to transpose unbind
    unflatten unsqueeze view view_as zeros_like
"""
_BOOKKEEPING = frozenset(f"aten::{name}" for name in _BOOKKEEPING_NAMES.split())
# They prepare memory for the operator that calls them: calling only these leaves the work to the caller, as addmm does.
_HELPERS = _BOOKKEEPING | {"aten::copy_", "aten::fill_", "aten::zero_"}
# They compute beside calling an operator that computes.
_COMPUTES_TOO = frozenset({"aten::mse_loss", "aten::_fused_adam_", "aten::_fused_adamw_", "aten::_fused_sgd_"})


@lru_cache(maxsize=4096)
def _part_by_name(label: str, kind: int) -> Part | None:
    """The part that the name alone tells; None for an operator that is judged by what it calls."""
    if kind == Kind.RUNTIME:
        waits = "Synchronize" in label or label == "cudaMemcpy"
        return Part.WAITING if waits else Part.DISPATCH
    if label == _GUARDS:
        return Part.GUARDS
    if label.startswith(_WRAPPERS):
        return Part.WRAPPERS
    if _GENERATED.search(label) or label in _COMPUTES_TOO:
        return Part.COMPUTE
    # Without a namespace: autograd's nodes, TorchScript's interpreter, inner entries such as `detach`.
    is_glue = "::" not in label or label.startswith(("autograd::", "torch::autograd::"))
    return Part.DISPATCH if is_glue or label in _BOOKKEEPING else None


# ---- a thread, flattened -------------------------------------------------------------------------------------------


class Segment(NamedTuple):
    """A stretch in which one event is the innermost of its thread.

    A tuple, because a trace of 200 MB makes a million of them.

    Attributes:
        event: Row of the trace.
    """

    start: Nanosecond
    end: Nanosecond
    event: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """A thread as disjoint segments in order.

    Attributes:
        segments: The innermost event of each stretch.
        callers: Who called it, by event; outermost events are left out.
    """

    segments: list[Segment]
    callers: dict[int, int]


def flatten(events: list[tuple[Nanosecond, Nanosecond, int]]) -> Flat:
    """Find who is innermost when, of `(start, end, event)`.

    An event that outlasts the one it began in, as rounding or another tool may write it, calls and is called up to that
    one's end; what is left of it stands beside.
    """
    segments: list[Segment] = []
    callers: dict[int, int] = {}
    open_calls: list[tuple[Nanosecond, int]] = []
    now: Nanosecond = 0

    def advance(until: Nanosecond) -> None:
        nonlocal now
        if open_calls and until > now:
            segments.append(Segment(now, until, open_calls[-1][1]))
        now = until

    # Longer ones first: of two that begin together, the longer one called the other.
    waiting = [(start, -end, event, False) for start, end, event in events]
    heapq.heapify(waiting)
    while waiting:
        start, minus_end, event, is_rest = heapq.heappop(waiting)
        end = -minus_end
        while open_calls and open_calls[-1][0] <= start:
            advance(open_calls[-1][0])
            open_calls.pop()
        advance(start)
        if open_calls:
            caller_end, caller = open_calls[-1]
            if not is_rest:
                callers[event] = caller
            if end > caller_end:
                heapq.heappush(waiting, (caller_end, -end, event, True))
                end = caller_end
        open_calls.append((end, event))
    while open_calls:
        advance(open_calls[-1][0])
        open_calls.pop()
    return Flat(segments=segments, callers=callers)


# ---- a step, taken apart -------------------------------------------------------------------------------------------


def split_steps(trace: Trace) -> Iterator[Step]:
    """Every marked step in order; the memory of one at a time."""
    has_device = bool((trace.kind == Kind.DEVICE).any())
    marks = np.flatnonzero(trace.kind == Kind.STEP)
    marked = {int(track) for track in trace.track[marks]}
    host = np.flatnonzero((trace.kind == Kind.OPERATOR) | (trace.kind == Kind.RUNTIME))
    start, latest_end = trace.start[host], np.maximum.accumulate(trace.end[host])
    for mark in marks.tolist():
        window = int(trace.start[mark]), int(trace.end[mark])
        # What ends later than the step begins, and begins before it ends.
        rows = host[np.searchsorted(latest_end, window[0], "right") : np.searchsorted(start, window[1])]
        yield _split(trace, mark, rows[trace.end[rows] > window[0]], marked, has_device=has_device)


def hides_kernels(trace: Trace) -> bool:
    """Compiled graphs ran, but their generated kernels were not recorded: their time counts as wrappers'."""
    is_graph = any(label.startswith(_GRAPH_CALL) for label in trace.labels)
    return is_graph and not (trace.kind == Kind.DEVICE).any() and not any(map(_GENERATED.search, trace.labels))


def _split(trace: Trace, mark: int, rows: NDArray[np.intp], marked: set[int], *, has_device: bool) -> Step:
    start, end, own = int(trace.start[mark]), int(trace.end[mark]), int(trace.track[mark])
    process = trace.tracks[own][0]
    tracks = np.unique(trace.track[rows]).tolist()
    # The step's own thread first; others may only explain what it leaves. Threads with steps of their own do not.
    others = [track for track in tracks if track not in marked and trace.tracks[track][0] == process]
    parts = dict.fromkeys(Part, 0)
    self_times: dict[tuple[str, Part], tuple[int, Nanosecond]] = {}
    free = [(start, end)]
    for track in (own, *others):
        of_track = rows[trace.track[rows] == track]
        flat = flatten(
            list(zip(trace.start[of_track].tolist(), trace.end[of_track].tolist(), of_track.tolist(), strict=True))
        )
        events = of_track.tolist()
        key_of = dict(zip(events, _keys(trace, of_track, flat.callers, has_device=has_device), strict=True))
        for event, begins in zip(events, (trace.start[of_track] >= start).tolist(), strict=True):
            num_calls, self_time = self_times.get(key_of[event], (0, 0))
            self_times[key_of[event]] = num_calls + begins, self_time
        left: list[tuple[Nanosecond, Nanosecond]] = []
        for segment in _cut(flat.segments, free, left):
            key = key_of[segment.event]
            num_calls, self_time = self_times[key]
            self_times[key] = num_calls, self_time + segment.end - segment.start
            parts[key[1]] += segment.end - segment.start
        free = left
    gaps = tuple(gap_end - gap_start for gap_start, gap_end in free)
    parts[Part.PYTHON] = sum(gaps)
    number = trace.labels[trace.label[mark]].removeprefix(STEP_MARK)
    return Step(
        number=int(number) if number.isdecimal() else 0,
        start=start,
        end=end,
        parts=parts,
        gaps=gaps,
        self_times=self_times,
    )


def _keys(
    trace: Trace, rows: NDArray[np.intp], callers: Mapping[int, int], *, has_device: bool
) -> list[tuple[str, Part]]:
    """Name and part of every event of a thread."""
    # With a device, operators on the host launch kernels; only the device computes.
    computing = Part.DISPATCH if has_device else Part.COMPUTE
    keys: list[tuple[str, Part]] = []
    delegates: set[int] = set()  # those that call an event that computes
    # Innermost first: a caller's row is before the rows of what it calls.
    events = zip(rows.tolist()[::-1], trace.label[rows].tolist()[::-1], trace.kind[rows].tolist()[::-1], strict=True)
    for row, number, kind in events:
        label = trace.labels[number]
        part = _part_by_name(label, kind)
        computes = part is Part.COMPUTE or (part is None and row not in delegates)
        if row in callers and label not in _HELPERS and (computes or row in delegates):
            delegates.add(callers[row])
        keys.append((label, computing if computes else part or Part.DISPATCH))
    return keys[::-1]


def _cut(
    segments: list[Segment],
    windows: list[tuple[Nanosecond, Nanosecond]],
    left: list[tuple[Nanosecond, Nanosecond]],
) -> Iterator[Segment]:
    """The segments inside the windows, cut at their edges; what they leave free of the windows goes to `left`."""
    position = 0
    for start, end in windows:
        free_from = start
        while position < len(segments) and segments[position].end <= start:
            position += 1
        while position < len(segments) and segments[position].start < end:
            segment = segments[position]
            cut = Segment(max(start, segment.start), min(end, segment.end), segment.event)
            if cut.start > free_from:
                left.append((free_from, cut.start))
            yield cut
            free_from = cut.end
            if segment.end > end:
                break
            position += 1
        if free_from < end:
            left.append((free_from, end))
