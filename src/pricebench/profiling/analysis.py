"""Where the time of a trace's steps went, in seconds: shares, gaps, the largest operators, the devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pricebench.profiling.device import DeviceStep, GapKind, count_replays, split_devices
from pricebench.profiling.host import Part, Step, hides_kernels, split_steps
from pricebench.profiling.trace import Kind, Nanosecond, Trace, read_trace
from pricebench.units import Second

NUM_LARGEST = 10
_UNEVEN = 2.0  # a step this many times as long as the median one was disturbed, or did something else
_NOT_A_TIMING = (
    "taken under the profiler, which slows every operator and Python most: read shares, not times; "
    "timings come from pytest benchmarks"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What was profiled, as the program that did it knows; a trace file does not say.

    Attributes:
        workload: Such as house_prices.
        mode: Execution mode.
        shape: Such as full.
        run: "inference" or "training".
        rows: Of the batch.
        device: "cpu" or "cuda".
        threads: Intra-op.
        torch: Version.
        fingerprint: Of the machine and stack; None where it is not known.
        created: ISO 8601, UTC.
        trace_file: The trace's name beside the analysis; None where only the analysis was kept.
    """

    workload: str
    mode: str
    shape: str
    run: str
    rows: int
    device: str
    threads: int
    torch: str
    fingerprint: str | None
    created: str
    trace_file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One step.

    Attributes:
        number: The N of ProfilerStep#N.
        duration: Under the profiler.
        parts: Of every `Part`; they add up to the duration.
    """

    number: int
    duration: Second
    parts: Mapping[Part, Second]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Stretches in which nothing of a kind ran.

    Attributes:
        num: In all steps.
        per_step: Mean number.
        total: Their sum.
        p50: Median by nearest rank, a gap that occurred; None where there is no gap.
        p99: The same for the 99th percentile.
    """

    num: int
    per_step: float
    total: Second
    p50: Second | None
    p99: Second | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator or a kernel, over all steps.

    Attributes:
        name: As in the trace.
        part: Where its time counts; None for a kernel of a device.
        num_calls: In all steps.
        self_time: Without what it calls.
        share: Of the steps' duration.
    """

    name: str
    part: Part | None
    num_calls: int
    self_time: Second
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device over all steps; `busy` and the gaps' totals add up to the steps' duration.

    Attributes:
        name: As the trace numbers it.
        busy: Something ran on one of its streams.
        idle: The rest.
        gaps: Of every `GapKind`.
        kernels: The largest, at most ten.
    """

    name: str
    busy: Second
    idle: Second
    gaps: Mapping[GapKind, Gaps]
    kernels: tuple[Operator, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a trace says.

    Attributes:
        capture: What was profiled; None for a trace that pricebench did not take.
        steps: In order; at least one.
        parts: Over all steps; they add up to `duration`.
        gaps: Stretches in which no operator ran: Python between operators.
        operators: The ten with the most self time, guards and wrappers among them.
        devices: Empty for a trace of the CPU alone.
        num_replays: CUDA graphs replayed; above 0, device gaps are unreliable.
        warnings: What whoever shows the numbers shows with them.
    """

    capture: Capture | None
    steps: tuple[StepTime, ...]
    parts: Mapping[Part, Second]
    gaps: Gaps
    operators: tuple[Operator, ...]
    devices: tuple[Device, ...]
    num_replays: int
    warnings: tuple[str, ...]

    @property
    def duration(self) -> Second:
        """Of all steps together, under the profiler."""
        return sum(step.duration for step in self.steps)

    def share(self, part: Part) -> float:
        """Of the steps' duration, 0 to 1; the shares of all parts add up to 1."""
        return self.parts[part] / self.duration if self.duration else 0.0


def analyse(source: Path | Trace, capture: Capture | None = None) -> Analysis:
    """Take a trace apart.

    Args:
        source: A file, or what `read_trace` made of one.
        capture: What was profiled, if it is known.

    Raises:
        TraceError: As `read_trace`.
    """
    trace = source if isinstance(source, Trace) else read_trace(source)
    steps = list(split_steps(trace))
    duration = sum(step.end - step.start for step in steps)
    num_replays = count_replays(trace)
    return Analysis(
        capture=capture,
        steps=tuple(_step_time(step) for step in steps),
        parts={part: _seconds(sum(step.parts[part] for step in steps)) for part in Part},
        gaps=_gaps([gap for step in steps for gap in step.gaps], len(steps)),
        operators=_largest_operators(steps, duration),
        devices=tuple(_device(name, found, duration) for name, found in split_devices(trace, steps).items()),
        num_replays=num_replays,
        warnings=tuple(_warnings(trace, steps, num_replays)),
    )


def _step_time(step: Step) -> StepTime:
    return StepTime(
        number=step.number,
        duration=_seconds(step.end - step.start),
        parts={part: _seconds(time) for part, time in step.parts.items()},
    )


def _gaps(lengths: Sequence[Nanosecond], num_steps: int) -> Gaps:
    p50, p99 = np.quantile(lengths, (0.5, 0.99), method="inverted_cdf").tolist() if lengths else (None, None)
    return Gaps(
        num=len(lengths),
        per_step=len(lengths) / num_steps,
        total=_seconds(sum(lengths)),
        p50=None if p50 is None else _seconds(p50),
        p99=None if p99 is None else _seconds(p99),
    )


def _largest_operators(steps: Sequence[Step], duration: Nanosecond) -> tuple[Operator, ...]:
    totals: dict[tuple[str, Part | None], list[int]] = defaultdict(lambda: [0, 0])
    for step in steps:
        for key, (num_calls, time) in step.self_times.items():
            totals[key][0] += num_calls
            totals[key][1] += time
    return _largest(totals, duration)


def _largest(totals: Mapping[tuple[str, Part | None], Sequence[int]], duration: Nanosecond) -> tuple[Operator, ...]:
    # The name decides between equals: two readings of one file give one answer.
    ordered = sorted(totals.items(), key=lambda item: (-item[1][1], item[0][0]))
    return tuple(
        Operator(name=name, part=part, num_calls=num_calls, self_time=_seconds(time), share=time / (duration or 1))
        for (name, part), (num_calls, time) in ordered[:NUM_LARGEST]
    )


def _device(name: str, steps: Sequence[DeviceStep], duration: Nanosecond) -> Device:
    busy = sum(step.busy for step in steps)
    totals: dict[tuple[str, Part | None], list[int]] = defaultdict(lambda: [0, 0])
    for step in steps:
        for kernel, (number, time) in step.kernels.items():
            totals[kernel, None][0] += number
            totals[kernel, None][1] += time
    return Device(
        name=name,
        busy=_seconds(busy),
        idle=_seconds(duration - busy),
        gaps={kind: _gaps([gap for step in steps for gap in step.gaps[kind]], len(steps)) for kind in GapKind},
        kernels=_largest(totals, duration),
    )


def _warnings(trace: Trace, steps: Sequence[Step], num_replays: int) -> list[str]:
    found = [_NOT_A_TIMING]
    if num_replays:
        found.append(
            f"{num_replays} CUDA graph replays: kernels inside one have no launch and no operator of their own, so the "
            "kinds of device gaps and the host's parts are unreliable"
        )
    if hides_kernels(trace):
        found.append(
            "compiled graphs ran without recording their generated kernels, whose time counts as wrappers; "
            "pricebench profile records them"
        )
    if not (trace.kind == Kind.OPERATOR).any():
        found.append(
            "no operators were recorded: everything on the host counts as Python. Profile with ProfilerActivity.CPU"
        )
    durations = [step.end - step.start for step in steps]
    longest, median = max(durations), float(np.median(durations))
    if longest > _UNEVEN * median:
        num_long = sum(duration > _UNEVEN * median for duration in durations)
        found.append(
            f"uneven steps: {num_long} of {len(steps)} took more than {_UNEVEN:g} times the median, and weigh as much; "
            "something else may have used the machine: profile again"
        )
    return found


def _seconds(time: Nanosecond) -> Second:
    return time / 1e9
