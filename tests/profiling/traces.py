"""Traces made by hand: events in microseconds, as torch.profiler writes them."""

from __future__ import annotations

import json


def event(name, start, end, *, cat="cpu_op", pid=100, tid=7, **args):
    """A complete event from `start` to `end`."""
    return {
        "ph": "X",
        "cat": cat,
        "name": name,
        "pid": pid,
        "tid": tid,
        "ts": start,
        "dur": round(end - start, 3),
        "args": args,
    }


def step(start, end, *, number=0, tid=7):
    return event(f"ProfilerStep#{number}", start, end, cat="user_annotation", tid=tid)


def write(path, *events):
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    return path
