"""What was measured of servers under load: a report of probes, and of trials that want to break ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from pricebench.errors import PricebenchError
from pricebench.fields import (
    as_object,
    built_in,
    count_in,
    each_in,
    object_in,
    optional_object,
    scalars_in,
    seconds_in,
    text_in,
    texts_in,
    times_in,
    wrong,
)
from pricebench.reports import ReportKind
from pricebench.units import Byte, Second

FOLDER = "serving"
COMMAND = "uv run --group load python -m benchmarks.serving"

BOUND: Second = 5e-3
"""A rate is held when 99 of 100 answers are there within it, and none is missing or wrong."""

_OK = "200"
_E = TypeVar("_E", bound=StrEnum)


class TrafficError(PricebenchError):
    """A load report is not what it should be."""


KIND = ReportKind(noun="a load report", schema=1, command=COMMAND, lines=("server",), error=TrafficError)


class Traffic(StrEnum):
    """What is asked."""

    ONE = "one house"
    MIXED = "1 to 64 houses"


class Purpose(StrEnum):
    """Why a probe was made."""

    SEARCH = "search"
    CONFIRM = "confirm"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From the moment at which a request was due to the last byte of its answer.

    Attributes:
        p50: Half of all requests took less.
        p90: 9 of 10.
        p99: 99 of 100.
        p999: 999 of 1,000.
        most: The longest.
    """

    p50: Second
    p90: Second
    p99: Second
    p999: Second
    most: Second

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Take a record of `asdict`."""
        return cls(**{name: seconds_in(record, name) for name in ("p50", "p90", "p99", "p999", "most")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A server asked at one rate for some seconds.

    Attributes:
        server: Its name.
        traffic: What was asked.
        purpose: Why.
        round: In which all servers had their turn.
        rate: Requests a second, by plan.
        seconds: From the first that was due to the last answer.
        num: Requests that were due.
        statuses: Number of requests by how they ended: HTTP's status, or words where there is none.
        num_checked: Answers whose prices were compared with those of float64.
        num_wrong: Of them, those that differ.
        latency: Of all of them.
        server_cpu: Seconds of a processor that the server's processes used.
        client_cpu: The same of the client.
        others: Cores that other programs used meanwhile; None if unknown.
    """

    server: str
    traffic: Traffic
    purpose: Purpose
    round: int
    rate: float
    seconds: Second
    num: int
    statuses: Mapping[str, int]
    num_checked: int
    num_wrong: int
    latency: Latency
    server_cpu: Second
    client_cpu: Second
    others: float | None = None

    @property
    def num_errors(self) -> int:
        """Requests without a right answer, as far as answers were looked at."""
        return self.num - self.statuses.get(_OK, 0) + self.num_wrong

    @property
    def is_held(self) -> bool:
        """Whether the server held this rate."""
        return self.num_errors == 0 and self.latency.p99 <= BOUND

    @property
    def cpu_per_request(self) -> Second | None:
        """Of the server; None where nothing was answered."""
        return self.server_cpu / answered if (answered := self.statuses.get(_OK, 0)) else None

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Take a record of `asdict`."""
        found = as_object(record)
        others = found.get("others")
        return cls(
            server=text_in(found, "server"),
            traffic=_one_of(Traffic, found, "traffic"),
            purpose=_one_of(Purpose, found, "purpose"),
            statuses=counts_in(found, "statuses"),
            latency=built_in(found, "latency", Latency.from_json),
            others=None if others is None else seconds_in(found, "others"),
            round=count_in(found, "round"),
            num=count_in(found, "num"),
            num_checked=count_in(found, "num_checked"),
            num_wrong=count_in(found, "num_wrong"),
            rate=seconds_in(found, "rate"),
            seconds=seconds_in(found, "seconds"),
            server_cpu=seconds_in(found, "server_cpu"),
            client_cpu=seconds_in(found, "client_cpu"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of those that were asked.

    Attributes:
        name: Of its probes.
        title: In tables.
        is_ours: Whether it is this project's.
        set_up: How, in a sentence.
        versions: Of its packages, by name.
        missing: Why it could not be measured, or empty.
    """

    name: str
    title: str
    is_ours: bool
    set_up: str
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Take a record of `asdict`."""
        found = as_object(record)
        is_ours = found.get("is_ours")
        if not isinstance(is_ours, bool):
            raise wrong("is_ours", "true or false", is_ours)
        return cls(
            **{name: text_in(found, name) for name in ("name", "title", "set_up", "missing")},
            is_ours=is_ours,
            versions={name: str(value) for name, value in scalars_in(found, "versions").items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the way of one request through our server, timed alone.

    Attributes:
        name: What it does.
        seconds: A request, median of many.
    """

    name: str
    seconds: Second

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Take a record of `asdict`."""
        return cls(name=text_in(as_object(record), "name"), seconds=seconds_in(record, "seconds"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """Our server at one rate for minutes.

    Attributes:
        server: Its name.
        rate: Requests a second.
        seconds: How long.
        statuses: As of a probe.
        p99: Of each part of it, in order.
        num_wrong: Answers with wrong prices, of those that were looked at.
        compilations: That `/metrics` counted.
        times: At which memory was read.
        resident: Bytes of all processes then.
    """

    server: str
    rate: float
    seconds: Second
    statuses: Mapping[str, int]
    p99: tuple[Second, ...]
    num_wrong: int
    compilations: int
    times: tuple[Second, ...]
    resident: tuple[Byte, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Take a record of `asdict`."""
        found = cls(
            server=text_in(record, "server"),
            statuses=counts_in(record, "statuses"),
            resident=tuple(each_in(record, "resident", _count)),
            p99=times_in(record, "p99"),
            times=times_in(record, "times"),
            rate=seconds_in(record, "rate"),
            seconds=seconds_in(record, "seconds"),
            num_wrong=count_in(record, "num_wrong"),
            compilations=count_in(record, "compilations"),
        )
        if len(found.times) != len(found.resident):
            raise wrong("resident", "as many as times", len(found.resident))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Requests that no friend would send, or a fault while friends ask; counted on both sides.

    Attributes:
        what: In a few words.
        num: Requests.
        client: How they ended, as the client saw it: by HTTP's status, or in words.
        server: How many requests the server says that it has answered, by status.
        restarts: Workers that died.
        details: Numbers besides, by their words.
        findings: What is wrong, a sentence each.
    """

    what: str
    num: int
    client: Mapping[str, int]
    server: Mapping[str, int]
    restarts: int
    details: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Take a record of `asdict`."""
        found = as_object(record)
        return cls(
            what=text_in(found, "what"),
            client=counts_in(found, "client"),
            server=counts_in(found, "server"),
            details={name: seconds_in(found["details"], name) for name in optional_object(found, "details")},
            findings=texts_in(found, "findings"),
            **{name: count_in(found, name) for name in ("num", "restarts")},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run of the proof, whole or begun.

    Attributes:
        started: ISO 8601.
        fingerprint: Digest of `machine`.
        machine: The fingerprint's fields.
        conditions: What it was run with: texts and numbers.
        servers: That were asked, or could not be.
        probes: In the order in which they were made.
        stages: Of one request for one house through our server.
        soak: Minutes of it, if they were run.
        hostile: What hostile clients got, if they were run.
        faults: What friends got while something broke.
        warnings: What disturbed it.
        is_complete: Whether all probes were made.
        schema: Of the file.
    """

    started: str
    fingerprint: str
    machine: Mapping[str, str | int | float]
    conditions: Mapping[str, str | int | float]
    servers: tuple[Server, ...] = ()
    probes: tuple[Probe, ...] = ()
    stages: tuple[Stage, ...] = ()
    soak: Soak | None = None
    hostile: tuple[Trial, ...] = ()
    faults: tuple[Trial, ...] = ()
    warnings: tuple[str, ...] = ()
    is_complete: bool = False
    schema: int = field(default=KIND.schema)

    def with_probe(self, probe: Probe) -> Self:
        """The same report with one more probe."""
        return replace(self, probes=(*self.probes, probe))

    def of(self, server: str, traffic: Traffic) -> list[Probe]:
        """A server's probes with one traffic, in order."""
        return [probe for probe in self.probes if probe.server == server and probe.traffic is traffic]

    def save(self, path: Path) -> None:
        """Write it; a reader sees the report before or after, never half of it."""
        KIND.save(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a report.

        Raises:
            TrafficError: It cannot be read, is no load report, or is of another schema.
        """
        return KIND.load(path, cls.from_json)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Take what `save` has written.

        Raises:
            WrongFieldError: Something is not what it should be.
        """
        is_complete = record.get("is_complete")
        if not isinstance(is_complete, bool):
            raise wrong("is_complete", "true or false", is_complete)
        object_in(record, "machine")
        return cls(
            started=text_in(record, "started"),
            fingerprint=text_in(record, "fingerprint"),
            machine=scalars_in(record, "machine"),
            conditions=scalars_in(record, "conditions"),
            servers=tuple(each_in(record, "servers", Server.from_json)),
            probes=tuple(each_in(record, "probes", Probe.from_json)),
            stages=tuple(each_in(record, "stages", Stage.from_json)),
            soak=None if record.get("soak") is None else built_in(record, "soak", Soak.from_json),
            hostile=tuple(each_in(record, "hostile", Trial.from_json)),
            faults=tuple(each_in(record, "faults", Trial.from_json)),
            warnings=texts_in(record, "warnings"),
            is_complete=is_complete,
        )


def counts_in(record: Mapping[str, Any], key: str) -> dict[str, int]:
    """The object of counts under a key."""
    return built_in(record, key, lambda found: {name: count_in(found, name) for name in found})


def _count(value: Any) -> int:
    return count_in({"": value}, "")


def _one_of(kind: type[_E], record: Mapping[str, Any], key: str) -> _E:
    text = text_in(record, key)
    try:
        return kind(text)
    except ValueError:
        raise wrong(key, f"one of {', '.join(kind)}", text) from None
