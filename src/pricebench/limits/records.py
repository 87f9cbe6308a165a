"""What was measured of a machine's limits, as it is stored; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pricebench.errors import PricebenchError
from pricebench.fields import (
    amount_in,
    as_object,
    count_in,
    each_in,
    object_in,
    scalars_in,
    text_in,
    texts_in,
    wrong,
)
from pricebench.files import stored_reports
from pricebench.reports import ReportKind
from pricebench.units import Byte, Flop, Second

FOLDER = "limits"


class LimitsError(PricebenchError):
    """A report of limits is not what it should be, or there is none."""


KIND = ReportKind(noun="a limits report", schema=1, command="pricebench limits", lines=("library",), error=LimitsError)


class Precision(StrEnum):
    """Of a product's inputs."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A matrix product, `(rows, inner) @ (inner, columns)`."""

    rows: int
    inner: int
    columns: int

    @property
    def flop(self) -> Flop:
        """Two per multiply-add."""
        return 2 * self.rows * self.inner * self.columns

    def __str__(self) -> str:
        """`2048x256x256`."""
        return f"{self.rows}x{self.inner}x{self.columns}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast a library multiplies.

    Attributes:
        library: Its name here, with the setting that it was used with.
        precision: Of the inputs.
        threads: That it was allowed.
        product: What was multiplied.
        seconds: Of one product, in the best slice.
        median: In the median slice.
        error: Largest error, as a share of the sum of the products' magnitudes.
        arithmetic: What the error says was really used.
    """

    library: str
    precision: Precision
    threads: int
    product: Product
    seconds: Second
    median: Second
    error: float
    arithmetic: str

    @property
    def flop_per_second(self) -> float:
        """In the best slice."""
        return self.product.flop / self.seconds

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Take what was stored.

        Raises:
            WrongFieldError: Something is not what it should be.
        """
        record = as_object(value)
        product = object_in(record, "product")
        return cls(
            library=text_in(record, "library"),
            precision=_precision(record),
            threads=count_in(record, "threads"),
            product=Product(**{name: count_in(product, name) for name in ("rows", "inner", "columns")}),
            seconds=amount_in(record, "seconds", above=True),
            median=amount_in(record, "median", above=True),
            error=amount_in(record, "error"),
            arithmetic=text_in(record, "arithmetic"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """How fast an array of one size is read, again and again.

    Attributes:
        size: Of the array: it says which memory holds it.
        threads: That read.
        per_second: Bytes, in the best slice.
        how: What read it.
    """

    size: Byte
    threads: int
    per_second: float
    how: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Take what was stored.

        Raises:
            WrongFieldError: Something is not what it should be.
        """
        record = as_object(value)
        return cls(
            size=count_in(record, "size"),
            threads=count_in(record, "threads"),
            per_second=amount_in(record, "per_second", above=True),
            how=text_in(record, "how"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a machine can do.

    Attributes:
        started: ISO 8601, UTC.
        fingerprint: Of the machine, with torch's own number of threads.
        machine: Its facts.
        instructions: Of the CPU, those that matrix products use.
        versions: Of each library; or why it is not there.
        advice: How a user gets each library.
        rates: Of matrix products.
        bandwidths: Of memory.
        calls: Seconds of what surrounds a product, by what is called.
        warnings: What disturbed it.
    """

    started: str
    fingerprint: str
    machine: Mapping[str, Any]
    instructions: tuple[str, ...]
    versions: Mapping[str, str]
    advice: Mapping[str, str]
    rates: tuple[Rate, ...]
    bandwidths: tuple[Bandwidth, ...]
    calls: Mapping[str, Second]
    warnings: tuple[str, ...] = ()
    schema: int = field(default=KIND.schema)

    def save(self, path: Path) -> None:
        """Write it."""
        KIND.save(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read one.

        Raises:
            LimitsError: It cannot be read, is no limits report, or is of another schema.
        """
        return KIND.load(path, cls._from_json)

    @classmethod
    def _from_json(cls, record: Mapping[str, Any]) -> Self:
        calls = object_in(record, "calls")
        return cls(
            started=text_in(record, "started"),
            fingerprint=text_in(record, "fingerprint"),
            machine=scalars_in(record, "machine"),
            instructions=texts_in(record, "instructions"),
            versions={name: str(version) for name, version in scalars_in(record, "versions").items()},
            advice={name: str(words) for name, words in scalars_in(record, "advice").items()},
            rates=tuple(each_in(record, "rates", Rate.from_json)),
            bandwidths=tuple(each_in(record, "bandwidths", Bandwidth.from_json)),
            calls={name: amount_in(calls, name) for name in calls},
            warnings=texts_in(record, "warnings"),
        )


def newest_for(reports: Path, machine: Mapping[str, Any]) -> Limits | None:
    """The newest stored limits of a machine, whatever its number of threads; None where there are none.

    Args:
        reports: The folder of all reports.
        machine: Facts of a fingerprint.

    Raises:
        LimitsError: One that lies there cannot be read.
    """
    for path in reversed(stored_reports(reports / FOLDER)):
        found = Limits.load(path)
        if _without_threads(found.machine) == _without_threads(machine):
            return found
    return None


def _without_threads(machine: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in machine.items() if name != "threads"}


def _precision(record: Mapping[str, Any]) -> Precision:
    text = text_in(record, "precision")
    try:
        return Precision(text)
    except ValueError:
        raise wrong("precision", f"one of {', '.join(Precision)}", text) from None
