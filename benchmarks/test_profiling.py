"""Reading a profiler trace of 200 MB: how long, and how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pricebench.profiling import Analysis, analyse

TRACE_BYTES = 200_000_000
PEAK_BYTES = 150_000_000  # Python, NumPy and the columns; the file as a tree of objects takes over a gigabyte


@pytest.fixture(scope="module")
def large_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace as torch writes it: indented events with arguments, 300 operators a step."""
    path = tmp_path_factory.mktemp("trace") / "large.json"
    written = number = 0
    with path.open("w") as file:
        written += file.write('{"schemaVersion": 1, "traceEvents": [\n')
        while written < TRACE_BYTES:
            start = 10_000.0 * number
            events = [("user_annotation", f"ProfilerStep#{number}", start, 9_999.5)]
            for layer in range(100):
                at = start + 90 * layer
                events += [
                    ("cpu_op", "aten::linear", at, 80.125),
                    ("cpu_op", "aten::addmm", at + 5.25, 70.5),
                    ("cpu_op", "aten::copy_", at + 10.5, 20.0),
                ]
            for category, name, ts, duration in events:
                event = {"ph": "X", "cat": category, "name": name, "pid": 1, "tid": 1, "ts": ts, "dur": duration}
                arguments = {"External id": number, "Record function id": 0, "Ev Idx": written}
                written += file.write(json.dumps({**event, "args": arguments}, indent=2) + ",\n")
            number += 1
        file.write('{"ph": "M"}]}\n')
    return path


def test_analyse_trace(benchmark: BenchmarkFixture, large_trace: Path) -> None:
    """A trace of 200 MB, from file to shares."""

    def check(analysis: Analysis) -> None:
        # By hand: of 9999.5 microseconds, in each of 100 layers addmm computes 50.5 and copy_ 20.
        assert analysis.operators[0].name == "aten::addmm"
        assert abs(analysis.operators[0].share - 100 * 50.5 / 9999.5) < 1e-9

    code = f"from pathlib import Path; from pricebench.profiling import analyse; analyse(Path({str(large_trace)!r}))"
    command = [sys.executable, "-m", "benchmarks.peak_memory", sys.executable, "-c", code]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak < PEAK_BYTES
    benchmark.extra_info.update(file_bytes=large_trace.stat().st_size, peak_bytes=peak, role="ours")

    check(benchmark.pedantic(analyse, (large_trace,), rounds=2))
