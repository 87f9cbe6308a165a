"""Stored runs for tests of the dashboard, written by hand, with names that a browser must not take at their word."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

EVIL = "<script>alert(1)</script>"
MARKDOWN = "**bold** [link](https://example.org) :smile: $x$ `code`"
MODES = ("eager", "torchscript", "fx", "compile")
FACTS = {
    "cpu": "Test CPU",
    "architecture": "x86_64",
    "threads": 2,
    "python": "3.11",
    "torch": "2.15.0",
    "device": "cpu",
}
_START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stored_benchmark(function, params, seconds, *, samples=None, workload="house_prices", rows=2048, info=None):
    """An entry of pytest-benchmark's, with quartiles a tenth around the median."""
    stats = {
        "min": seconds * 0.8,
        "max": seconds * 1.5,
        "mean": seconds,
        "stddev": seconds * 0.1,
        "median": seconds,
        "iqr": seconds * 0.2,
        "q1": seconds * 0.9,
        "q3": seconds * 1.1,
        "rounds": len(samples) if samples else 30,
        "iterations": 1,
    }
    if samples:
        stats["data"] = samples
    name = f"{function}[{'-'.join(params)}]" if params else function
    return {
        "group": None,
        "name": name,
        "fullname": f"benchmarks/test_x.py::{name}",
        "params": None,
        "stats": stats,
        "extra_info": {
            "rows": rows,
            "max_abs_error": 1e-7,
            "mode": params[0] if params else None,
            **({"workload": workload} if workload else {}),
            **(info or {}),
        },
        "options": {"timer": "perf_counter"},
    }


def stored_run(benchmarks, *, day=0, fingerprint="aaaaaaaaaa", commit=None, branch="main", warnings=(), facts=FACTS):
    """A whole file."""
    moment = _START + timedelta(days=day)
    return {
        "machine_info": {"fingerprint": fingerprint, "facts": {**facts, "blas": fingerprint}},
        "commit_info": {"id": commit or f"{day:08x}" + "0" * 32, "branch": branch, "dirty": False},
        "datetime": moment.isoformat(),
        "version": "5.3.1",
        "pricebench": {"data": "synthetic", "warnings": list(warnings)},
        "benchmarks": benchmarks,
    }


def keep(reports, run, *, number=1):
    """Write a run where the plugin would; the run's id."""
    fingerprint = run["machine_info"]["fingerprint"]
    name = f"{number:04d}_{run['commit_info']['id'][:8]}_{run['datetime'][:10].replace('-', '')}T120000Z"
    path = reports / "history" / fingerprint / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run), encoding="utf-8")
    return f"{fingerprint}/{name}"


def forward(seconds_by_mode, shape="full", **more):
    """The forward pass in several modes."""
    return [
        stored_benchmark("test_forward", (mode, shape), seconds, **more) for mode, seconds in seconds_by_mode.items()
    ]
