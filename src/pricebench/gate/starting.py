"""What an arm of a gate runs after the fork: an ordinary `python -m pytest` in its tree, with the gate's plugin.

A copy of this file is imported by the suite's own Python, so it imports nothing that may be absent there.
"""

from __future__ import annotations

import importlib.util
import sys


def run_pytest(plugin: str, select: str, suite: list[str]) -> int:
    """Run a suite; the exit status.

    Args:
        plugin: Module of the gate's plugin.
        select: pytest's -k, or empty.
        suite: Files and folders with benchmarks.
    """
    # A suite's own -x would end it at the first failure, and what comes then would seem to be gone.
    arguments = ["-p", plugin, "--color=no", "--maxfail=0", *(["-k", select] if select else [])]
    arguments += [*_quiet_plugins(), *suite]
    sys.argv = ["pytest", *arguments]
    import pytest  # noqa: PLC0415 - after sys.argv, and in the arm's process: its plugins are the tree's affair

    return int(pytest.main(arguments))


def _quiet_plugins() -> list[str]:
    """Arguments that keep other plugins from distributing, tracing or reordering what is measured."""
    found = []
    if importlib.util.find_spec("xdist"):
        found += ["-n", "0"]
    if importlib.util.find_spec("pytest_cov"):
        found += ["--no-cov"]
    return [*found, "-p", "no:randomly"]
