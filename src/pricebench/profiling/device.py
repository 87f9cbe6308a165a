"""A device's side of a step: when it is busy, and why it is not.

A device is busy while a kernel, copy or fill runs on any of its streams. What is left of the step is gaps, each of one
kind by what ends it; the three kinds follow Meta's Holistic Trace Analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pricebench.profiling.host import Step
from pricebench.profiling.trace import Kind, Nanosecond, Trace

# Holistic Trace Analysis' default for consecutive kernels: 30 ns.
BACK_TO_BACK: Nanosecond = 30
_REPLAYS = ("cudaGraphLaunch", "cuGraphLaunch")


class GapKind(StrEnum):
    """Why a device was idle.

    Attributes:
        HOST_BOUND: The next launch began only after the device had run dry, or none came before the step's end.
        BACK_TO_BACK: At most 30 ns: the hardware's own pause between two kernels.
        OTHER: The launch had begun in time: launch latency, a dependency between streams; or the launch is unknown.
    """

    HOST_BOUND = "host-bound"
    BACK_TO_BACK = "back to back"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStep:
    """One device during one step.

    Attributes:
        device: As the trace numbers it.
        busy: The union of what its streams ran.
        gaps: Lengths by kind; with `busy` they add up to the step.
        kernels: Number and time on the device by name; streams may overlap, so they may add up to more than `busy`.
    """

    device: str
    busy: Nanosecond
    gaps: Mapping[GapKind, tuple[Nanosecond, ...]]
    kernels: Mapping[str, tuple[int, Nanosecond]]


def split_devices(trace: Trace, steps: Sequence[Step]) -> dict[str, list[DeviceStep]]:
    """Every device of the trace during every step, idle ones too."""
    rows = np.flatnonzero(trace.kind == Kind.DEVICE)
    launches = _launch_starts(trace)
    device_of_track = np.array([device for device, _ in trace.tracks], dtype=object)
    device_of_row = device_of_track[trace.track[rows]]
    devices: dict[str, list[DeviceStep]] = {}
    for device in sorted(set(device_of_row.tolist())):
        own = rows[device_of_row == device]
        start, latest_end = trace.start[own], np.maximum.accumulate(trace.end[own])
        devices[device] = []
        for step in steps:
            inside = own[np.searchsorted(latest_end, step.start, "right") : np.searchsorted(start, step.end)]
            inside = inside[trace.end[inside] > step.start]
            devices[device].append(_split(trace, device, step, inside, launches))
    return devices


def count_replays(trace: Trace) -> int:
    """CUDA graphs that were replayed: their kernels have no launch and no operator of their own."""
    labels = [number for number, label in enumerate(trace.labels) if label.startswith(_REPLAYS)]
    return int(np.isin(trace.label[trace.kind == Kind.RUNTIME], labels).sum())


def _launch_starts(trace: Trace) -> dict[int, Nanosecond]:
    """When the call that launched a device event began, by correlation."""
    rows = np.flatnonzero((trace.kind == Kind.RUNTIME) & (trace.correlation >= 0))
    return dict(zip(trace.correlation[rows].tolist(), trace.start[rows].tolist(), strict=True))


def _split(
    trace: Trace, device: str, step: Step, rows: NDArray[np.intp], launches: Mapping[int, Nanosecond]
) -> DeviceStep:
    busy = 0
    busy_until = step.start
    gaps: dict[GapKind, list[Nanosecond]] = {kind: [] for kind in GapKind}
    kernels: dict[str, tuple[int, Nanosecond]] = {}
    for row in rows.tolist():
        start, end = max(step.start, int(trace.start[row])), min(step.end, int(trace.end[row]))
        name = trace.labels[trace.label[row]]
        number, time = kernels.get(name, (0, 0))
        kernels[name] = number + 1, time + end - start
        if start > busy_until:
            launch = launches.get(int(trace.correlation[row]))
            gaps[_kind(start - busy_until, busy_until, launch)].append(start - busy_until)
        busy += max(0, end - max(start, busy_until))
        busy_until = max(busy_until, end)
    if busy_until < step.end:
        # As if the next launch came when the step is over.
        length = step.end - busy_until
        gaps[_kind(length, busy_until, step.end)].append(length)
    return DeviceStep(
        device=device,
        busy=busy,
        gaps={kind: tuple(lengths) for kind, lengths in gaps.items()},
        kernels=kernels,
    )


def _kind(length: Nanosecond, idle_since: Nanosecond, launch: Nanosecond | None) -> GapKind:
    if length <= BACK_TO_BACK:
        return GapKind.BACK_TO_BACK
    return GapKind.HOST_BOUND if launch is not None and launch >= idle_since else GapKind.OTHER
