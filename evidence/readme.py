"""The README's result table, made from one committed run: `python -m evidence.readme`.

The run is named in the README itself, between the markers; `tests/test_readme.py` holds the text to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from pricebench.history import Run, read_run
from pricebench.units import format_duration

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_BLOCK = re.compile(r"<!-- results from (?P<run>\S+) -->\n.*?<!-- end of results -->\n", re.DOTALL)
_MODES = ("eager", "torchscript", "fx", "compile")
_STEADY = (
    ("1 row", "test_forward", "single"),
    ("2048 rows", "test_forward", "full"),
    ("training step", "test_train_step", "full"),
    ("epoch", "test_epoch", "keep_last"),
)


def rendered(text: str) -> str:
    """The README's text with its table made anew from the run that it names."""
    found = _BLOCK.search(text)
    if found is None:
        raise ValueError("README.md lacks its '<!-- results from RUN -->' block.")
    run = read_run(ROOT / found["run"])
    block = f"<!-- results from {found['run']} -->\n{table(run)}\n{conditions(run)}\n<!-- end of results -->\n"
    return text[: found.start()] + block + text[found.end() :]


def table(run: Run) -> str:
    """A row per mode; ratios are to eager."""
    by_key = {(item.function, *item.params): item for item in run.benchmarks}
    titles = ["mode", *(title for title, *_ in _STEADY), "first epoch, cache as found", "first call, empty cache"]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]
    for mode in _MODES:
        cells = [f"`{mode}`"]
        for _, function, group in _STEADY:
            measured, eager = by_key[function, mode, group], by_key[function, _MODES[0], group]
            cells.append(f"{format_duration(measured.median)} ({measured.median / eager.median:.2f})")
        cells.append(format_duration(by_key["test_epoch", mode, "keep_last"].extra_info["first_epoch_s"]))
        cells.append(format_duration(by_key["test_first_call", mode, "full"].median))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def conditions(run: Run) -> str:
    """What must be known to read the table, in one paragraph."""
    facts = run.facts
    steady = [item for item in run.benchmarks if item.function == "test_forward"]
    error = max(float(item.extra_info["max_abs_error"]) for item in steady)
    warnings = "; ".join(run.warnings) or "none"
    return (
        f"Medians per call in one process, in brackets the ratio to eager; the last two columns are single events. "
        f"{facts['cpu']}, {facts['logical_cores']} cores, {facts['threads']} threads, {facts['system']}, "
        f"Python {facts['python']}, torch {facts['torch']}, float32, data {run.data}, {run.datetime[:10]}, "
        f"commit {run.commit[:8]}. An epoch keeps its residual batch. Largest error of a forward pass against eager in "
        f"float64: {error:.1e} standard deviations of the price. Warnings: {warnings}. One process is one sample of a "
        f"shared machine: read ratios near 1 as no difference found."
    )


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
