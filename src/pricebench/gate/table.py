"""What a person reads of a gate report: a row per benchmark, and the sentences below them. Plain text, no markup."""

from __future__ import annotations

from pricebench.gate.control import Control
from pricebench.gate.judge import Verdict
from pricebench.gate.report import Finding, Report, short
from pricebench.gate.shard import Shard
from pricebench.units import format_duration

TITLES = ("benchmark", "base -> head", "change", "95 % interval", "blocks slower", "could see", "verdict")
WORDS = frozenset({"benchmark", "verdict"})


def row(finding: Finding) -> tuple[str, ...]:
    """A finding's cells, as `TITLES` names them."""
    return (
        short(finding.benchmark),
        f"{_duration(finding.base)} -> {_duration(finding.head)}" if finding.num_blocks else "-",
        _percent(finding.change),
        f"{_percent(finding.low)} to {_percent(finding.high)}" if finding.low is not None and finding.low > -1 else "-",
        f"{finding.num_slower}/{finding.num_blocks}" if finding.num_blocks else "-",
        _percent(finding.detectable),
        verdict(finding),
    )


def verdict(finding: Finding) -> str:
    """The verdict, with what must be said beside it."""
    beside = [finding.accepted, finding.note, "one event a process" if finding.is_single else ""]
    told = "; ".join(filter(None, beside))
    return f"{finding.verdict} ({told})" if told else str(finding.verdict)


def line(finding: Finding) -> str:
    """A finding in one line, for where there is no table."""
    _, times, change, interval, slower, could_see, told = row(finding)
    if not finding.num_blocks:
        return f"{finding.benchmark}: {told}"
    return f"{finding.benchmark}: {told}, {times}, {change} ({interval}), {slower} blocks slower, could see {could_see}"


def sentences(report: Report) -> list[str]:
    """What must be known to read the table, the warnings included."""
    told = []
    if report.was_structure_checked and not (report.structure or report.unchecked):
        told.append("structure: as committed (outputs, graphs, breaks, recompiles, kernels, operators)")
    if report.shard and report.shard.number > 1:
        told.append("structure: the first shard looks at it")
    elif not report.was_structure_checked:
        told.append("structure: not checked, this project commits no facts about it")
    told += [f"structure: {sentence}" for sentence in report.structure]
    told += [f"structure: not checked, {reason}" for reason in report.unchecked]
    if report.control and not report.shards:
        told.append(_control(report.control))
    nulls = [abs(finding.null) for finding in report.findings if finding.null is not None]
    if nulls:
        told.append(f"null: two copies of base differ by at most {max(nulls):.1%}")
    told.append(
        f"base {report.base[:10]}, head {report.head[:10]}{' with uncommitted changes' if report.is_dirty else ''}; "
        f"{len(report.blocks)} blocks of fresh processes on {_cores(report)}, {report.seconds:.0f} s; "
        f"a block is one process a side, times are medians per call"
    )
    told += [_part(shard, report) for shard in report.shards or filter(None, [report.shard])]
    told += [f"warning: {warning}" for warning in report.warnings]
    return told


def _control(control: Control) -> str:
    seen = f"{control.change:+.1%}" if control.change is not None else "nothing"
    word = "seen" if control.is_seen else "NOT SEEN"
    return f"control: {control.planted:.0%} planted in {short(control.benchmark)}, {word} as {seen}"


def _part(shard: Shard, report: Report) -> str:
    """A shard, with its machine: its benchmarks were judged there, base and head beside each other."""
    cpu = shard.machine.get("cpu", "unknown machine")
    told = (
        f"{shard.title}: {cpu}, {shard.machine.get('logical_cores', '?')} logical cores; "
        f"{len(shard.benchmarks)} benchmarks, {shard.num_blocks} blocks, {shard.seconds:.0f} s"
    )
    if not report.shards:
        return told
    return f"{told}; {_control(shard.control) if shard.control else 'nothing to measure, so no control'}"


def _cores(report: Report) -> str:
    threads = report.machine.get("threads")
    return f"{threads} cores" if isinstance(threads, int) and threads > 1 else "one core"


def workflow_commands(report: Report) -> list[str]:
    """GitHub's workflow commands: an error per finding that blocks, a warning per one that is undecided."""
    told = []
    for finding in report.findings:
        if finding.blocks_merge:
            told.append(_command("error", finding.benchmark, line(finding)))
        elif finding.verdict is Verdict.UNDECIDED:
            told.append(_command("warning", finding.benchmark, line(finding)))
    told += [_command("error", "structure", sentence) for sentence in report.structure]
    told += [_command("error", "structure", f"not checked, {reason}") for reason in report.unchecked]
    if report.is_blind:
        told.append(_command("error", "pricebench gate", "the gate is blind: the planted slowdown was not seen"))
    return told


def _command(kind: str, title: str, message: str) -> str:
    file = title.partition("::")[0] if "::" in title else ""
    where = f"file={_property(file)}," if file else ""
    return f"::{kind} {where}title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)


def _percent(share: float | None) -> str:
    if share is None or share != share or share in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        return "-"
    return f"{share:+.1%}"
