"""The README's table of servers under load, made from a committed report: `python -m evidence.serving_table`.

It stands between `<!-- serving from FILE -->` and `<!-- end of serving -->`; the command names the newest report there.
`tests/evidence/test_serving_table.py` holds the text to the report that it names.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pricebench.files import stored_reports
from pricebench.traffic.analysis import at_rate, half_of_ours, highest, measured, slope, times_ours
from pricebench.traffic.records import COMMAND, FOLDER, Report, Traffic
from pricebench.traffic.table import NONE, per_second, warnings
from pricebench.units import format_duration

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_BLOCK = re.compile(r"<!-- serving from (?P<file>\S+) -->\n.*?<!-- end of serving -->\n", re.DOTALL)


def rendered(text: str, file: str | None = None, *, root: Path = ROOT) -> str:
    """A text with its table made anew from the report that it names; a text without one stays as it is.

    Args:
        text: Of the README.
        file: Of the report, where another than the named one is meant.
        root: Where files are.
    """

    def block(found: re.Match[str]) -> str:
        name = file or found["file"]
        return f"<!-- serving from {name} -->\n{table(Report.load(root / name))}<!-- end of serving -->\n"

    return _BLOCK.sub(block, text)


def table(report: Report) -> str:
    """A row per server, what the trials found, and the conditions."""
    half = half_of_ours(report, Traffic.ONE)
    at_half = f"p99 at {per_second(half)}/s" if half else "p99"
    one_house, mixed_houses = (f"{traffic}: requests/s | ours over it" for traffic in Traffic)
    lines = [
        f"| server | {one_house} | {at_half} | CPU per request | {mixed_houses} |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for server in measured(report):
        one, mixed = (highest(report, server.name, traffic) for traffic in Traffic)
        beside = None if half is None else at_rate(report, server.name, Traffic.ONE, half)
        cost = one.cpu_per_request if one else None
        cells = [
            server.title,
            per_second(one.rate) if one else NONE,
            _ratio(times_ours(report, server.name, Traffic.ONE)),
            format_duration(beside.latency.p99) if beside else NONE,
            NONE if cost is None else format_duration(cost),
            per_second(mixed.rate) if mixed else NONE,
            _ratio(times_ours(report, server.name, Traffic.MIXED)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_trials(report), _conditions(report)]) + "\n"


def _trials(report: Report) -> list[str]:
    told = []
    if soak := report.soak:
        grown = slope(soak)
        errors = sum(soak.statuses.values()) - soak.statuses.get("200", 0) + soak.num_wrong
        memory = "unknown" if grown is None else f"{grown.kib_per_minute:+.0f} ± {grown.error:.0f} KiB a minute"
        told.append(
            f"{soak.seconds / 60:.0f} minutes at {per_second(soak.rate)}/s: {errors:,} errors, {soak.compilations:,} "
            f"compilations, memory {memory}."
        )
    told += [
        f"{trial.num:,} hostile requests ({trial.what}): "
        f"{'; '.join(trial.findings) or f'no 5xx but the intended, {trial.restarts} workers lost'}."
        for trial in report.hostile
    ]
    told += [
        f"{trial.what} under load, {trial.num:,} requests: {'; '.join(trial.findings) or 'none lost'}."
        for trial in report.faults
    ]
    return [*told, ""] if told else []


def _conditions(report: Report) -> str:
    machine, facts = report.machine, report.conditions
    missing = [f"{server.title} was not measured: {server.missing}" for server in report.servers if server.missing]
    said = "; ".join(warnings(report)) or "none"
    way = (
        "The highest rate is that at which 99 of 100 requests are answered within 5 ms, from the moment at which each "
        "was due, without an error. The server has one core, LoadGen the other."
    )
    where = f"{machine.get('cpu')}, torch {machine.get('torch')}, {report.started[:10]}, commit {facts.get('commit')}."
    return " ".join([way, where, *missing, f"Warnings: {said}."])


def _ratio(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}"


def main() -> int:
    """Name the newest report in the README, and make its table."""
    reports = stored_reports(ROOT / "reports" / FOLDER)
    if not reports:
        sys.stderr.write(f"There is no report in reports/{FOLDER}. Make one: {COMMAND}.\n")
        return 2
    text = README.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        sys.stderr.write("README.md lacks the lines '<!-- serving from FILE -->' and '<!-- end of serving -->'.\n")
        return 2
    README.write_text(rendered(text, str(reports[-1].relative_to(ROOT))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
