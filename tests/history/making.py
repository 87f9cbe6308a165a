"""Runs as pytest-benchmark writes them, made small."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(
    name="test_forward[eager-full]", median=1.0, *, file="benchmarks/test_x.py", timer="perf_counter", **extra_info
):
    return {
        "group": None,
        "name": name,
        "fullname": f"{file}::{name}",
        "extra_info": extra_info,
        "options": {"timer": timer},
        "stats": {
            "min": median * 0.9,
            "max": median * 1.2,
            "mean": median,
            "stddev": median / 20,
            "rounds": 3,
            "median": median,
            "iqr": median / 10,
            "q1": median * 0.95,
            "q3": median * 1.05,
            "iterations": 7,
            "data": [median * 0.9, median, median * 1.2],
        },
    }


def run(*benchmarks, number=0, fingerprint="0123456789", facts=None, branch="main", data="houses", warnings=(), **top):
    return {
        "machine_info": {"fingerprint": fingerprint, "facts": facts or {"cpu": "A", "threads": 2}},
        "commit_info": {"id": f"{number:040x}", "dirty": False, "branch": branch, "time": START.isoformat()},
        "benchmarks": list(benchmarks) or [entry()],
        "datetime": (START + timedelta(days=number)).isoformat(),
        "version": "5.3.1",
        "pricebench": {"data": data, "warnings": list(warnings)},
        **top,
    }


def store(folder, content, name=None):
    """Write a run as the plugin names it; a second later than any clock that could hide a change."""
    number = int(content["commit_info"]["id"], 16)
    path = folder / (name or f"0123456789/{number + 1:04d}_{content['commit_info']['id'][:8]}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def age(path, seconds=60):
    """Make a file older: what was written within two seconds is not cached."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns - seconds * 10**9))


def aged(folder, content, name=None):
    path = store(folder, content, name)
    age(path)
    return path


def medians(history):
    return history.measurements.median.tolist()
