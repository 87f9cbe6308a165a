"""A report as tables for a terminal or a document, and the sentences that must be known to read them."""

from __future__ import annotations

from collections.abc import Mapping

from pricebench.section import Section
from pricebench.traffic.analysis import (
    at_rate,
    best_of_ours,
    fixed_rates,
    half_of_ours,
    highest,
    measured,
    slope,
    times_ours,
)
from pricebench.traffic.records import BOUND, Probe, Report, Traffic, Trial
from pricebench.units import format_duration

NONE = "-"
_OTHERS = 0.1  # of a core: more than that moves a percentile
_FULL = 0.85  # of the client's core
_ADVICE = "LoadGen's Server scenario: Poisson arrivals, latency from the moment at which a request was due"


def sections(report: Report) -> list[Section]:
    """Everything that the report says."""
    found = []
    for traffic in Traffic:
        if any(probe.traffic is traffic for probe in report.probes):
            found.append(rates(report, traffic))
            if fixed_rates(report, traffic):
                found.append(latencies(report, traffic))
    if report.stages:
        found.append(stages(report))
    if report.soak:
        found.append(soaked(report))
    if report.hostile:
        found.append(trials("Hostile requests", report.hostile))
    if report.faults:
        found.append(trials("Faults under load", report.faults))
    return found


def rates(report: Report, traffic: Traffic) -> Section:
    """The highest rate of each server, and what a request costs there."""
    rows = []
    for server in measured(report):
        probe, ratio = highest(report, server.name, traffic), times_ours(report, server.name, traffic)
        rows.append(
            (
                server.title,
                per_second(probe.rate) if probe else NONE,
                NONE if ratio is None else f"{ratio:.2f}",
                *([format_duration(probe.latency.p50), format_duration(probe.latency.p99)] if probe else [NONE] * 2),
                _cpu(probe),
            )
        )
    return Section(
        title=f"{traffic.capitalize()} per request: highest rate, 99 % within {format_duration(BOUND)}, no error",
        header=("server", "requests/s", "ours over it", "p50", "p99", "CPU per request"),
        rows=tuple(rows),
        notes=tuple(
            f"{server.title} was not measured: {server.missing}" for server in report.servers if server.missing
        ),
    )


def latencies(report: Report, traffic: Traffic) -> Section:
    """The servers beside each other at the same rates."""
    half = half_of_ours(report, traffic)
    rows = []
    for rate in fixed_rates(report, traffic):
        for server in measured(report):
            probe = at_rate(report, server.name, traffic, rate)
            if probe is None:
                continue
            latency = probe.latency
            marks = " (half of our highest)" if rate == half else ""
            rows.append(
                (
                    f"{per_second(rate)}{marks}",
                    server.title,
                    *(
                        format_duration(each)
                        for each in (latency.p50, latency.p90, latency.p99, latency.p999, latency.most)
                    ),
                    f"{probe.num_errors:,}",
                    _cpu(probe),
                )
            )
    return Section(
        title=f"{traffic.capitalize()} per request: latency at the same rates",
        header=("requests/s", "server", "p50", "p90", "p99", "p99.9", "most", "errors", "CPU per request"),
        rows=tuple(rows),
    )


def stages(report: Report) -> Section:
    """Where the time of one request goes."""
    total = sum(stage.seconds for stage in report.stages)
    rows = [(stage.name, format_duration(stage.seconds), f"{stage.seconds / total:.0%}") for stage in report.stages]
    best, constant = best_of_ours(report, Traffic.ONE), highest(report, "constant", Traffic.ONE)
    notes = []
    if best and best.cpu_per_request:
        notes.append(
            f"These stages take {format_duration(total)}, our server {format_duration(best.cpu_per_request)} of a "
            f"processor per request at its highest rate: {max(0.0, 1 - total / best.cpu_per_request):.0%} is the event "
            "loop, the kernel and what waits for both."
        )
    if constant and constant.cpu_per_request:
        notes.append(f"A server that answers a constant takes {format_duration(constant.cpu_per_request)}.")
    return Section(
        title="Where the time of one house goes",
        header=("stage", "a request", "share"),
        rows=(*rows, ("all stages", format_duration(total), "")),
        notes=tuple(notes),
    )


def soaked(report: Report) -> Section:
    """Minutes at one rate."""
    soak = report.soak
    assert soak is not None
    grown = slope(soak)
    memory = NONE if grown is None else f"{grown.kib_per_minute:+.1f} ± {grown.error:.1f} KiB/min"
    errors = sum(soak.statuses.values()) - soak.statuses.get("200", 0) + soak.num_wrong
    return Section(
        title="Soak",
        header=("server", "minutes", "requests/s", "requests", "errors", "compilations", "worst p99", "memory"),
        rows=(
            (
                soak.server,
                f"{soak.seconds / 60:.1f}",
                per_second(soak.rate),
                f"{sum(soak.statuses.values()):,}",
                f"{errors:,}",
                f"{soak.compilations:,}",
                format_duration(max(soak.p99)) if soak.p99 else NONE,
                memory,
            ),
        ),
        notes=("Memory is a straight line through the readings after the first fifth, with its standard error.",),
    )


def trials(title: str, made: tuple[Trial, ...]) -> Section:
    """What clients got, and what the server counted."""
    return Section(
        title=title,
        header=("what", "requests", "the client saw", "the server counted", "workers lost"),
        rows=tuple(
            (trial.what, f"{trial.num:,}", counts(trial.client), counts(trial.server), f"{trial.restarts}")
            for trial in made
        ),
        notes=tuple(f"{trial.what}: {finding}" for trial in made for finding in trial.findings),
    )


def conditions(report: Report) -> list[str]:
    """What must be known to read the numbers, and what disturbed them."""
    machine, facts = report.machine, report.conditions
    machine_facts = (
        f"{_fact(machine, 'cpu')}, {_fact(machine, 'logical_cores')} cores, {_fact(machine, 'system')}, "
        f"Python {_fact(machine, 'python')}, torch {_fact(machine, 'torch')}; {report.started}, commit "
        f"{_fact(facts, 'commit')}, fingerprint {report.fingerprint}."
    )
    way = (
        f"Server on core {_fact(facts, 'server_core')}, client on core {_fact(facts, 'client_core')}, "
        f"{_fact(facts, 'connections')} connections, {_ADVICE}. Steps of {_fact(facts, 'step')} s, confirmed by "
        f"{_fact(facts, 'confirm')} s; the servers take turns, and those that wait are suspended."
    )
    sentences = [machine_facts, way]
    sentences += [f"{server.title}: {server.set_up}{_versions(server.versions)}." for server in measured(report)]
    if not report.is_complete:
        sentences.append("The run ended before all its probes.")
    return sentences


def warnings(report: Report) -> list[str]:
    """What a reader must not miss, counted from the probes too."""
    found = list(report.warnings)
    loud = [probe for probe in report.probes if probe.others is not None and probe.others > _OTHERS]
    if loud:
        found.append(
            f"busy machine: other programs used more than {_OTHERS} cores in {len(loud)} of {len(report.probes)} probes"
        )
    full = [probe for probe in report.probes if probe.is_held and probe.client_cpu > _FULL * probe.seconds]
    if full:
        names = ", ".join(dict.fromkeys(probe.server for probe in full))
        found.append(f"the client used more than {_FULL:.0%} of its core where {names} held the rate: it may hold more")
    return found


def per_second(rate: float) -> str:
    """Requests a second, as whole numbers where they are large."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def counts(found: Mapping[str, int]) -> str:
    """`200: 1,234; 503: 5`, the most frequent first."""
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return "; ".join(f"{name}: {number:,}" for name, number in ordered) or NONE


def _cpu(probe: Probe | None) -> str:
    cost = probe.cpu_per_request if probe else None
    return NONE if cost is None else format_duration(cost)


def _fact(facts: Mapping[str, object], name: str) -> object:
    return facts.get(name, "?")


def _versions(found: Mapping[str, str]) -> str:
    return f" ({', '.join(f'{name} {version}' for name, version in found.items())})" if found else ""
