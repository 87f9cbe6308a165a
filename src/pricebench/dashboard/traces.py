"""What the page "Where the time goes" shows: stored analyses of profiler traces, as frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pricebench.dashboard.charts import MODE_COLORS
from pricebench.profiling import Analysis, Part

FOLDER = "traces"
# Short enough for a legend's tooltip; `Part` says it at length.
MEANING = {
    Part.COMPUTE: "kernels that compute",
    Part.DISPATCH: "operators that only call others, views, allocations, launches",
    Part.PYTHON: "Python between operators: the gaps",
    Part.GUARDS: "torch.compile checks whether a compiled graph fits",
    Part.WRAPPERS: "what torch.compile runs around its kernels",
    Part.WAITING: "the host waits for a device",
}


class Setup(NamedTuple):
    """What analyses must share to be put beside each other."""

    fingerprint: str
    run: str
    shape: str
    workload: str

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.run}, {self.shape} ({self.fingerprint})"


class Stored(NamedTuple):
    """One analysis and where it lies."""

    path: Path
    analysis: Analysis

    @property
    def trace_path(self) -> Path | None:
        """The trace beside it, or None where it was not kept."""
        capture = self.analysis.capture
        if capture is None or capture.trace_file is None:
            return None
        trace = self.path.parent / capture.trace_file
        return trace if trace.is_file() else None


def by_setup(analyses: Iterable[tuple[Path, Analysis]]) -> dict[Setup, dict[str, Stored]]:
    """The analyses of every setup by mode; of two of one mode, the one created last.

    Analyses of traces that pricebench did not take name no mode, and are left out.
    """
    found: dict[Setup, dict[str, Stored]] = {}
    for path, analysis in analyses:
        capture = analysis.capture
        if capture is None:
            continue
        setup = Setup(
            fingerprint=capture.fingerprint or "unknown machine",
            run=capture.run,
            shape=capture.shape,
            workload=capture.workload,
        )
        modes = found.setdefault(setup, {})
        rival = modes.get(capture.mode)
        if rival is None or rival.analysis.capture is None or rival.analysis.capture.created <= capture.created:
            modes[capture.mode] = Stored(path, analysis)
    return {setup: dict(sorted(modes.items(), key=lambda mode: _place(mode[0]))) for setup, modes in found.items()}


def _place(mode: str) -> tuple[int, str]:
    """Where a mode stands on every page; strangers come last."""
    known = list(MODE_COLORS)
    return (known.index(mode) if mode in known else len(known), mode)


def shares_frame(modes: dict[str, Stored]) -> pd.DataFrame:
    """A row per mode and part: `mode`, `part`, `order` of the part, `share` of the steps, `meaning`."""
    return pd.DataFrame(
        [
            {
                "mode": mode,
                "part": part.value,
                "order": order,
                "share": stored.analysis.share(part),
                "meaning": MEANING[part],
            }
            for mode, stored in modes.items()
            for order, part in enumerate(Part)
        ]
    )


def gaps_frame(modes: dict[str, Stored]) -> pd.DataFrame:
    """A row per mode: what the gaps between operators are, and how much the Python share moves from step to step."""
    return pd.DataFrame([_gaps_row(mode, stored.analysis) for mode, stored in modes.items()])


def _gaps_row(mode: str, analysis: Analysis) -> dict[str, object]:
    share_S = np.array([step.parts[Part.PYTHON] / step.duration for step in analysis.steps if step.duration])
    low, middle, high = np.quantile(share_S, (0.25, 0.5, 0.75)) if len(share_S) else (np.nan,) * 3
    return {
        "mode": mode,
        "Python between operators": f"{analysis.share(Part.PYTHON):.1%}",
        "median step (quartiles)": f"{middle:.1%} ({low:.1%} to {high:.1%})",
        "gaps per step": f"{analysis.gaps.per_step:.1f}",
        "steps": len(analysis.steps),
    }


def warnings_of(modes: dict[str, Stored]) -> list[str]:
    """What must be said beside the shares; a sentence that is not about all modes names those it is about."""
    found: dict[str, list[str]] = {}
    for mode, stored in modes.items():
        for warning in stored.analysis.warnings:
            found.setdefault(warning, []).append(mode)
    return [
        warning if len(about) == len(modes) else f"{', '.join(about)}: {warning}" for warning, about in found.items()
    ]


def operators_frame(analysis: Analysis) -> pd.DataFrame:
    """The largest operators: `name`, `where`, `calls per step`, `share`."""
    return pd.DataFrame(
        [
            {
                "operator": operator.name,
                "part": "" if operator.part is None else operator.part.value,
                "calls per step": operator.num_calls / len(analysis.steps),
                "share": f"{operator.share:.1%}",
            }
            for operator in analysis.operators
        ]
    )


def devices_frame(analysis: Analysis) -> pd.DataFrame:
    """A row per device: how much of the steps it was busy, and why it was idle."""
    rows = []
    for device in analysis.devices:
        whole = device.busy + device.idle
        gaps = {f"idle, {kind.value}": f"{gap.total / whole:.1%}" for kind, gap in device.gaps.items()} if whole else {}
        rows.append({"device": device.name, "busy": f"{device.busy / whole:.1%}" if whole else "-", **gaps})
    return pd.DataFrame(rows)
