"""A history as large as ten years of nightly runs on three machines: `python -m evidence.make_history FOLDER`.

Its files look like pytest-benchmark's own, with raw samples; noise, drift and steps are drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

_MODES = ("eager", "torchscript", "fx", "compile")
_FUNCTIONS = ("test_forward", "test_train_step", "test_epoch", "test_first_call", "test_predict")
_SHAPES = ("full", "residual", "single")
_START = datetime(2026, 1, 1, tzinfo=UTC)


def make_history(folder: Path, *, num_runs: int, num_samples: int, seed: int = 0) -> None:
    """Write runs of 60 benchmarks each.

    Args:
        folder: Gets `<fingerprint>/NNNN_<commit>_<time>.json`.
        num_runs: Files.
        num_samples: Raw samples of each benchmark.
        seed: Of every number.
    """
    chance = np.random.default_rng(seed)
    cases = [(function, mode, shape) for function in _FUNCTIONS for mode in _MODES for shape in _SHAPES]
    typical = np.exp(chance.uniform(np.log(2e-5), np.log(2e-2), len(cases)))
    # One step in the middle of every fifth series, up or down by a tenth.
    steps = np.where(np.arange(len(cases)) % 5 == 0, chance.choice([0.9, 1.1], len(cases)), 1.0)
    for number in range(num_runs):
        machine = f"{number % 3:010x}"
        level = typical * np.where(number * 2 >= num_runs, steps, 1.0) * chance.normal(1.0, 0.03, len(cases))
        samples = level[:, None] * (1.0 + np.abs(chance.normal(0.0, 0.02, (len(cases), num_samples))))
        moment = _START + timedelta(hours=8 * number)
        commit = f"{chance.integers(0, 2**63):016x}{number:024x}"
        run = {
            "machine_info": _machine_info(machine),
            "commit_info": {
                "id": commit,
                "time": moment.isoformat(),
                "author_time": moment.isoformat(),
                "dirty": False,
                "project": "pricebench",
                "branch": "main" if number % 10 else "feature",
            },
            "benchmarks": [_entry(*case, row) for case, row in zip(cases, samples, strict=True)],
            "datetime": moment.isoformat(),
            "version": "5.3.1",
            "pricebench": {"schema": 1, "data": "synthetic", "warnings": []},
        }
        path = folder / machine / f"{number // 3 + 1:04d}_{commit[:8]}_{moment:%Y%m%dT%H%M%SZ}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(run, option=orjson.OPT_INDENT_2))


def _machine_info(fingerprint: str) -> dict[str, Any]:
    facts = {"cpu": "made up", "architecture": "x86_64", "logical_cores": 2, "system": "Linux", "python": "3.11"}
    facts |= {"torch": "2.15.0", "blas": "mkl", "threads": 2, "device": "cpu"}
    return {
        "machine": "x86_64",
        "python_implementation": "CPython",
        "python_version": "3.11.7",
        "system": "Linux",
        "cpu": {"brand_raw": "made up", "arch": "X86_64", "count": 2, "flags": [f"flag{i}" for i in range(130)]},
        "fingerprint": fingerprint,
        "facts": facts,
    }


def _entry(function: str, mode: str, shape: str, samples: np.ndarray) -> dict[str, Any]:
    q1, median, q3 = np.quantile(samples, (0.25, 0.5, 0.75))
    stats = {
        "min": samples.min(),
        "max": samples.max(),
        "mean": samples.mean(),
        "stddev": samples.std(ddof=1),
        "rounds": len(samples),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": 0,
        "stddev_outliers": 0,
        "outliers": "0;0",
        "ld15iqr": samples.min(),
        "hd15iqr": samples.max(),
        "ops": 1 / samples.mean(),
        "total": samples.sum(),
    }
    name = f"{function}[{mode}-{shape}]"
    return {
        "group": None,
        "name": name,
        "fullname": f"benchmarks/test_made_up.py::{name}",
        "params": {"mode": mode, "shape": shape},
        "param": f"{mode}-{shape}",
        "extra_info": {"workload": "house_prices", "mode": mode, "shape": shape, "rows": 2048, "device": "cpu"},
        "options": {"disable_gc": True, "timer": "perf_counter", "min_rounds": 30, "max_time": 0.6, "min_time": 0.002},
        "stats": {**{key: _plain(value) for key, value in stats.items()}, "data": samples.tolist(), "iterations": 10},
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def main() -> None:
    """Make the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty or new folder; 1.5 GB with the defaults")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    make_history(options.folder, num_runs=options.runs, num_samples=options.samples)


if __name__ == "__main__":
    main()
