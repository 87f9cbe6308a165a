"""Which workload a page shows: every stored thing says what was measured, and a page never mixes two of them.

A workload is a model with its inputs. One that a file does not state is a workload of its own, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pricebench.dashboard.runs import function_label
from pricebench.history import Benchmark, History, Run

UNSTATED = "not stated"
OWN = "house_prices"  # what the pages that price a house show


def name_of(stated: object) -> str:
    """A stated workload, or the word for none."""
    return stated if isinstance(stated, str) and stated else UNSTATED


def as_stated(name: str) -> str | None:
    """A workload as the history has it."""
    return None if name == UNSTATED else name


def workloads_of(history: History) -> list[str]:
    """All that the runs measured, the one measured last first."""
    return [name_of(stated) for stated in history.runs_by_workload] or [UNSTATED]


def runs_of(history: History, workload: str) -> pd.DataFrame:
    """The runs that measured a workload, oldest first."""
    positions = history.runs_by_workload.get(as_stated(workload))
    return history.runs if positions is None else history.runs.iloc[positions]


def benchmarks_of(run: Run, workload: str | None) -> tuple[Benchmark, ...]:
    """The benchmarks of a run that measured a workload."""
    return tuple(one for one in run.benchmarks if name_of(one.workload) == workload)


def implied_workload(history: History, address: Mapping[str, str], known: str | None) -> str | None:
    """The workload that an address means which names a run or a benchmark, and no workload.

    Args:
        history: All runs.
        address: Its parameters; `run` and `bench` are looked at.
        known: What the reader looked at last; kept where the address leaves it open.
    """
    open_ = workloads_of(history)
    if address.get("run") is not None:
        open_ = [name for name in open_ if address["run"] in set(runs_of(history, name)["run"])] or open_
    if address.get("bench") is not None:
        measured = {
            name_of(case["workload"])
            for case in history.measurements.cases
            if function_label(case["function"]) == address["bench"]
        }
        open_ = [name for name in open_ if name in measured] or open_
    return known if known in open_ else open_[0]


def workloads_in(content: object) -> list[str]:
    """What the JSON of a run says that it measured, whatever else it holds."""
    entries = content.get("benchmarks") if isinstance(content, dict) else None
    found: dict[str, None] = {}
    for entry in entries if isinstance(entries, list) else ():
        extra = entry.get("extra_info") if isinstance(entry, dict) else None
        found[name_of(extra.get("workload") if isinstance(extra, dict) else None)] = None
    return list(found) or [UNSTATED]
