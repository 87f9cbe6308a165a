"""Reports: one JSON object in a file, with the schema that it follows; what is none is refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pricebench.errors import PricebenchError
from pricebench.files import atomic_write, read_json

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKind:
    """What all reports of a kind have in common.

    Attributes:
        noun: `a cliff report`.
        schema: That they follow; raised when what a field means changes.
        command: That makes one.
        lines: The first keys of objects that get a line of their own: a diff, or a person, can find one.
        error: Raised where a file is no such report.
    """

    noun: str
    schema: int
    command: str
    lines: tuple[str, ...]
    error: type[PricebenchError]

    def save(self, record: Mapping[str, Any], path: Path) -> None:
        """Write it; a reader sees the report before or after, never half of it."""
        text = json.dumps(finite(record), separators=(",", ":"), ensure_ascii=False)
        for key in self.lines:
            text = text.replace(f'{{"{key}":', f'\n{{"{key}":')
        with atomic_write(path) as file:
            file.write(text.encode() + b"\n")

    def load(self, path: Path, build: Callable[[dict[str, Any]], T]) -> T:
        """Read one.

        Args:
            path: Of the file.
            build: Makes the report of its JSON; ValueError, KeyError, TypeError or AttributeError where it cannot.

        Raises:
            PricebenchError: Of the kind's class: it cannot be read, is of another schema, or has a wrong field.
        """
        try:
            record = read_json(path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or f"no JSON ({error})"
            raise self.error(f"{path}: expected {self.noun}, found: {reason}. Make one: {self.command}.") from error
        found = record.get("schema") if isinstance(record, dict) else None
        if found != self.schema:
            raise self.error(
                f"{path}: expected {self.noun} of schema {self.schema}, found {found!r}. "
                f"Make a new one: {self.command}."
            )
        try:
            return build(record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.error(
                f"{path}: {self.noun} with a wrong field: {error}. Make a new one: {self.command}."
            ) from error


def finite(value: Any) -> Any:
    """The same with nine significant digits, which are more than the clock has, and null for what JSON cannot write."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
