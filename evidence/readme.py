"""The README's tables, made from a committed recommendation and a committed run: `python -m evidence.readme`.

Both are named in the README itself, in the markers; `tests/test_readme.py` holds the text to them.
"""

from __future__ import annotations

import re
from pathlib import Path

from pricebench.history import Run, read_run
from pricebench.limits.benchmarks import limit_of
from pricebench.limits.records import newest_for
from pricebench.recommend.report import Report
from pricebench.recommend.table import percent
from pricebench.units import counted, format_duration

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_BLOCK = re.compile(r"<!-- results from (?P<run>\S+) -->\n.*?<!-- end of results -->\n", re.DOTALL)
_ANSWER = re.compile(r"<!-- recommendation from (?P<file>\S+) -->\n.*?<!-- end of recommendation -->\n", re.DOTALL)
_MODES = ("eager", "torchscript", "fx", "compile")
_STEADY = (
    ("1 row", "test_forward", "single"),
    ("2048 rows", "test_forward", "full"),
    ("training step", "test_train_step", "full"),
    ("epoch", "test_epoch", "keep_last"),
)


def rendered(text: str) -> str:
    """The README's text with its tables made anew from the files that it names."""
    answer, found = _ANSWER.search(text), _BLOCK.search(text)
    if answer is None or found is None:
        raise ValueError("README.md lacks '<!-- results from RUN -->' or '<!-- recommendation from FILE -->'.")
    report = Report.load(ROOT / answer["file"])
    shown = f"<!-- recommendation from {answer['file']} -->\n{recommendation(report)}<!-- end of recommendation -->\n"
    run = read_run(ROOT / found["run"])
    block = f"<!-- results from {found['run']} -->\n{table(run)}\n{conditions(run)}\n<!-- end of results -->\n"
    return _ANSWER.sub(lambda _: shown, _BLOCK.sub(lambda _: block, text))


def recommendation(report: Report) -> str:
    """The sentence, and a row per mode."""
    machine = report.machine
    lines = [
        f"> {report.sentence}",
        "",
        "| mode | cost of a day | against eager | one row | 2048 rows | first answer | new size |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for each in report.candidates:
        start, stall = each.first_answer_cold, each.stall
        cells = [
            f"`{each.mode}`",
            "-" if each.cost_per_day is None else format_duration(each.cost_per_day),
            percent(each.relative) if each.relative and each.mode != _MODES[0] else "-",
            *(format_duration(each.inference[shape].seconds) for shape in ("single", "full")),
            "-" if start is None else format_duration(start),
            "-" if stall is None else format_duration(stall),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    need = report.need
    lines += [
        "",
        f"""\
The house price model, {need.calls_per_day:,.0f} calls of one row and {need.restarts_per_day:,.0f} restarts a day;
{machine["cpu"]}, one thread, torch {machine["torch"]}, {report.started[:10]}, {len(report.evidence.blocks)} blocks of
fresh processes, {report.conditions["seconds"]:.0f} s. In brackets: 95 % intervals.""",
        *(f"`{each.mode}` is {each.deprecation}." for each in report.candidates if each.deprecation),
    ]
    return "\n".join(lines) + "\n"


def table(run: Run) -> str:
    """A row per mode; ratios are to eager."""
    by_key = {(item.function, *item.params): item for item in run.benchmarks}
    limit = limit_of(newest_for(ROOT / "reports", run.facts))
    titles = ["mode", *(title for title, *_ in _STEADY), "first epoch, cache as found", "first call, empty cache"]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]
    for mode in _MODES:
        cells = [f"`{mode}`"]
        for _, function, group in _STEADY:
            measured, eager = by_key[function, mode, group], by_key[function, _MODES[0], group]
            least = limit(measured)
            share = f", {least / measured.median:.0%} of the limit" if least is not None else ""
            cells.append(f"{format_duration(measured.median)} ({measured.median / eager.median:.2f}{share})")
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
        f"{facts['cpu']}, {facts['logical_cores']} cores, {counted(facts['threads'], 'thread')}, {facts['system']}, "
        f"Python {facts['python']}, torch {facts['torch']}, float32, data {run.data}, {run.datetime[:10]}, "
        f"commit {run.commit[:8]}. An epoch keeps its residual batch. Largest error of a forward pass against eager in "
        f"float64: {error:.1e} standard deviations of the price. Warnings: {warnings}. One process is one sample of a "
        f"shared machine: read ratios near 1 as no difference found."
    )


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
