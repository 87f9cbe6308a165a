"""Analyses of traces for the browser, with made-up shares."""

from __future__ import annotations

from pricebench.profiling import ANALYSIS_SUFFIX, Analysis, Capture, Gaps, Operator, Part, StepTime
from pricebench.profiling.report import write_analysis
from tests.dashboard.stored import EVIL

SHARES = {
    "eager": (0.70, 0.14, 0.16, 0.0, 0.0, 0.0),
    "torchscript": (0.80, 0.15, 0.05, 0.0, 0.0, 0.0),
    "fx": (0.70, 0.13, 0.17, 0.0, 0.0, 0.0),
    "compile": (0.74, 0.02, 0.08, 0.06, 0.10, 0.0),
}


def analysis_of(mode, shares=None):
    """Two steps of a millisecond, cut as `SHARES` says."""
    parts = {part: share * 1e-3 for part, share in zip(Part, shares or SHARES[mode], strict=True)}
    steps = tuple(StepTime(number=number, duration=1e-3, parts=parts) for number in (1, 2))
    return Analysis(
        capture=Capture(
            workload="house_prices",
            mode=mode,
            shape="full",
            run="inference",
            rows=2048,
            device="cpu",
            threads=2,
            torch="2.15.0",
            fingerprint="aaaaaaaaaa",
            created="2026-01-01T00:00:00+00:00",
            trace_file=f"{mode}_full_inference.json.gz",
        ),
        steps=steps,
        parts={part: 2 * time for part, time in parts.items()},
        gaps=Gaps(num=12, per_step=6.0, total=2 * parts[Part.PYTHON], p50=1e-6, p99=2e-6),
        operators=(Operator(name=f"aten::{EVIL}", part=Part.COMPUTE, num_calls=6, self_time=5e-4, share=0.25),),
        devices=(),
        num_replays=0,
        warnings=("taken under the profiler: read shares, not times",),
    )


def keep_analyses(folder):
    """One of every mode, and the trace of one."""
    for mode in SHARES:
        path = folder / "aaaaaaaaaa" / f"{mode}_full_inference{ANALYSIS_SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_analysis(analysis_of(mode), path)
    (folder / "aaaaaaaaaa" / "eager_full_inference.json.gz").write_bytes(b"a trace")
