"""Where the time goes: a Chrome trace of any callable, and our own analysis of it.

Reading and judging needs no torch; `pricebench.profiling.capture`, which runs the profiler, is imported by its own
name.
"""

from __future__ import annotations

from pricebench.profiling.analysis import Analysis, Capture, Device, Gaps, Operator, StepTime, analyse
from pricebench.profiling.device import GapKind
from pricebench.profiling.host import Part
from pricebench.profiling.report import (
    ANALYSIS_SUFFIX,
    TRACE_SUFFIX,
    StoredAnalyses,
    as_json,
    read_analysis,
    stored_analyses,
    write_analysis,
)
from pricebench.profiling.trace import Trace, read_trace

__all__ = [
    "ANALYSIS_SUFFIX",
    "TRACE_SUFFIX",
    "Analysis",
    "Capture",
    "Device",
    "GapKind",
    "Gaps",
    "Operator",
    "Part",
    "StepTime",
    "StoredAnalyses",
    "Trace",
    "analyse",
    "as_json",
    "read_analysis",
    "read_trace",
    "stored_analyses",
    "write_analysis",
]
