"""Finding and reading stored runs: `reports/history/<fingerprint>/NNNN_<commit>_<time>.json`."""

from __future__ import annotations

import json
from pathlib import Path

from pricebench.history.records import HistoryError, Run


def stored_runs(folder: Path) -> list[Path]:
    """The run files of one fingerprint's folder, oldest first; empty where there is no such folder."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.json"))


def read_run(path: Path) -> Run:
    """Read one run.

    Raises:
        HistoryError: The file is missing, not JSON, or not a run.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HistoryError(
            f"{path}: expected a stored run, found: {error.strerror}. Run: pytest benchmarks."
        ) from error
    except ValueError as error:
        raise HistoryError(f"{path}: expected JSON, found a broken file ({error}). Delete it or restore it.") from error
    try:
        return Run.from_json(content)
    except HistoryError as error:
        raise HistoryError(f"{path}: {error}") from error
