"""`[tool.pricebench.gate]` of a project's pyproject.toml, checked name by name."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from pricebench.errors import unknown_name
from pricebench.gate.records import GateError

DEFAULT_THRESHOLD = 0.05
_FILE = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project says about its gate.

    Attributes:
        suite: Files and folders with benchmarks.
        select: pytest's -k, or empty for all of them.
        threshold: The slowdown to find, as a share: 0.05 is 5 %.
        thresholds: By a pattern of benchmark ids; the last that fits counts.
        budget: Seconds.
        carry: Ignored paths that both trees need, such as a trained model.
        accepted: File of slowdowns that were accepted.
        structure: File of structural facts, or empty for no such check.
        workload: `module:function` that makes the Workload whose structure is looked at.
    """

    suite: tuple[str, ...] = ("benchmarks",)
    select: str = ""
    threshold: float = DEFAULT_THRESHOLD
    thresholds: Mapping[str, float] = field(default_factory=dict)
    budget: float = 300.0
    carry: tuple[str, ...] = ()
    accepted: str = "gate-accepted.toml"
    structure: str = ""
    workload: str = ""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a project's settings; defaults where it has none.

        Raises:
            GateError: A name is unknown or a value is not what it should be.
        """
        path = folder / _FILE
        if not path.is_file():
            return cls()
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GateError(f"{_FILE} cannot be read: {error}. Mend it.") from error
        table = found
        for name in ("tool", "pricebench", "gate"):
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise GateError(f"{_FILE}: [tool.pricebench.gate] is {table!r}, expected a table. Mend it.")
        settings = cls(**{name: cls._checked(name, value) for name, value in table.items()})
        if settings.structure and ":" not in settings.workload:
            raise GateError(
                f"{_FILE}, [tool.pricebench.gate]: `structure` needs a `workload`, module:function; "
                f"found {settings.workload!r}. Name one."
            )
        return settings

    @classmethod
    def _checked(cls, name: str, value: Any) -> Any:
        known = [each.name for each in fields(cls)]
        if name not in known:
            raise GateError(f"{_FILE}, [tool.pricebench.gate]: {unknown_name('setting', name, known)}")

        def refuse(expected: str) -> GateError:
            return GateError(f"{_FILE}, [tool.pricebench.gate]: {name} is {value!r}, expected {expected}. Mend it.")

        if name in ("suite", "carry"):
            if not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
                raise refuse("a list of paths")
            if name == "carry" and any(Path(each).is_absolute() or ".." in Path(each).parts for each in value):
                raise refuse("paths below the project")
            return tuple(value)
        if name == "thresholds":
            if not (isinstance(value, dict) and all(_is_share(each) for each in value.values())):
                raise refuse("a table of patterns with shares between 0.005 and 1")
            return dict(value)
        if name == "threshold":
            if not _is_share(value):
                raise refuse("a share between 0.005 and 1, such as 0.05")
            return float(value)
        if name == "budget":
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise refuse("seconds above 0")
            return float(value)
        if not isinstance(value, str):
            raise refuse("a text")
        return value

    def threshold_of(self, benchmark: str) -> float:
        """The slowdown to find in a benchmark, by its id.

        >>> Settings(thresholds={"*[compile-*": 0.1}).threshold_of("test_inference.py::test_forward[compile-full]")
        0.1
        """
        # A bracket is part of an id, not a set of characters.
        fitting = [
            share
            for pattern, share in self.thresholds.items()
            if fnmatch.fnmatchcase(benchmark, pattern.replace("[", "[[]"))
        ]
        return fitting[-1] if fitting else self.threshold

    def chosen(self, suite: tuple[str, ...] = (), select: str | None = None) -> tuple[tuple[str, ...], str]:
        """The suite and pytest's -k: the command line's where it says something. Another suite has other names."""
        if select is None:
            select = "" if suite else self.select
        return suite or self.suite, select


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.005 <= value <= 1
