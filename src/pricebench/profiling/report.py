"""An analysis as a small JSON file beside its trace: what a dashboard reads instead of the trace."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pricebench.errors import TraceError
from pricebench.files import atomic_write, read_json
from pricebench.profiling.analysis import Analysis, Capture, Device, Gaps, Operator, StepTime
from pricebench.profiling.device import GapKind
from pricebench.profiling.host import Part

ANALYSIS_SUFFIX = ".analysis.json"
TRACE_SUFFIX = ".json.gz"
_FORMAT = "pricebench.profile"
_VERSION = 1


def write_analysis(analysis: Analysis, path: Path) -> None:
    """Write the JSON, atomically; times in seconds."""
    record = {"format": _FORMAT, "version": _VERSION, **as_json(analysis)}
    with atomic_write(path) as file:
        # One line a member: readable, and a difference shows what changed.
        lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
        file.write(("{\n" + ",\n".join(lines) + "\n}\n").encode())


def as_json(analysis: Analysis) -> dict[str, Any]:
    """The analysis as JSON-safe values."""
    return asdict(analysis)


def read_analysis(path: Path) -> Analysis:
    """Read what `write_analysis` wrote.

    Raises:
        TraceError: The file is missing, damaged, of another format or version.
    """
    try:
        record = read_json(path)
        found = (record["format"], record["version"])
    except OSError as error:
        raise TraceError(
            f"{path}: expected an analysis, found {error.strerror or error}. Make one with: pricebench profile."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise TraceError(
            f"{path}: expected {_FORMAT} {_VERSION}, found something else. Make one with: pricebench profile."
        ) from error
    if found != (_FORMAT, _VERSION):
        shown = ascii(" ".join(map(str, found)))[:60]
        raise TraceError(f"{path}: expected {_FORMAT} {_VERSION}, found {shown}. Use the pricebench that wrote it.")
    try:
        return _analysis(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TraceError(
            f"{path}: expected a whole analysis, found one with wrong parts. Make it again: pricebench profile."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnalyses:
    """What a folder holds.

    Attributes:
        analyses: By file, in the order of fingerprint and name.
        unreadable: The reason, by file.
    """

    analyses: Mapping[Path, Analysis]
    unreadable: Mapping[Path, str]


def stored_analyses(folder: Path) -> StoredAnalyses:
    """Read every analysis under a folder such as `reports/traces`; a broken one never stops the others."""
    analyses, unreadable = {}, {}
    for path in sorted(folder.rglob(f"*{ANALYSIS_SUFFIX}")):
        try:
            analyses[path] = read_analysis(path)
        except TraceError as error:
            unreadable[path] = str(error)
    return StoredAnalyses(analyses=analyses, unreadable=unreadable)


# ---- from JSON -----------------------------------------------------------------------------------------------------


def _analysis(record: dict[str, Any]) -> Analysis:
    steps = tuple(
        StepTime(number=int(step["number"]), duration=_time(step["duration"]), parts=_parts(step["parts"]))
        for step in record["steps"]
    )
    if not steps:
        raise ValueError("no steps")
    return Analysis(
        capture=None if record["capture"] is None else _capture(record["capture"]),
        steps=steps,
        parts=_parts(record["parts"]),
        gaps=_gaps(record["gaps"]),
        operators=tuple(map(_operator, record["operators"])),
        devices=tuple(map(_device, record["devices"])),
        num_replays=int(record["num_replays"]),
        warnings=tuple(map(_text, record["warnings"])),
    )


def _capture(record: dict[str, Any]) -> Capture:
    trace_file = record["trace_file"]
    # A name, never a path: whoever offers the file for download looks beside the analysis.
    if trace_file is not None and (not _text(trace_file).endswith(TRACE_SUFFIX) or set(trace_file) & set("/\\")):
        raise ValueError("expected a file's name")
    return Capture(
        **{name: _text(record[name]) for name in ("workload", "mode", "shape", "run", "device", "torch", "created")},
        rows=int(record["rows"]),
        threads=int(record["threads"]),
        fingerprint=None if record["fingerprint"] is None else _text(record["fingerprint"]),
        trace_file=trace_file,
    )


def _parts(record: dict[str, Any]) -> dict[Part, float]:
    return {part: _time(record[part]) for part in Part}


def _gaps(record: dict[str, Any]) -> Gaps:
    return Gaps(
        num=int(record["num"]),
        per_step=_time(record["per_step"]),
        total=_time(record["total"]),
        p50=None if record["p50"] is None else _time(record["p50"]),
        p99=None if record["p99"] is None else _time(record["p99"]),
    )


def _operator(record: dict[str, Any]) -> Operator:
    return Operator(
        name=_text(record["name"]),
        part=None if record["part"] is None else Part(record["part"]),
        num_calls=int(record["num_calls"]),
        self_time=_time(record["self_time"]),
        share=_time(record["share"]),
    )


def _device(record: dict[str, Any]) -> Device:
    return Device(
        name=_text(record["name"]),
        busy=_time(record["busy"]),
        idle=_time(record["idle"]),
        gaps={kind: _gaps(record["gaps"][kind]) for kind in GapKind},
        kernels=tuple(map(_operator, record["kernels"])),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _time(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"expected a time, found {value!r}")
    return float(value)
