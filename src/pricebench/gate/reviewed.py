"""What reviewers decide, each a diff that somebody read: the structure, accepted slowdowns, benchmarks that went."""

from __future__ import annotations

import fnmatch
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self

from pricebench.errors import unknown_name
from pricebench.files import atomic_write, read_json
from pricebench.gate.records import GateError

_SLOWDOWN_KEYS = ("benchmark", "commit", "at_most", "reason", "until")
_RENAMED_KEYS = ("base", "head", "reason")
_REMOVED_KEYS = ("benchmark", "reason")
_TABLES = ("slowdown", "renamed", "removed")
_MISSING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """A line that lets a slower commit pass.

    Attributes:
        benchmark: A pattern of ids.
        commit: That made it slower; the line counts for a head that contains it and a base that does not.
        at_most: The largest change that passes, as a share.
        reason: Why it is worth it.
        until: The last day on which the line counts.
    """

    benchmark: str
    commit: str
    at_most: float
    reason: str
    until: date

    def fits(self, benchmark: str) -> bool:
        """Whether it is about this benchmark; a bracket is part of an id."""
        return fnmatch.fnmatchcase(benchmark, self.benchmark.replace("[", "[[]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The file of accepted changes.

    Attributes:
        slowdowns: Lines that let slower commits pass.
        renamed: Ids of base's suite to those of head's.
        removed: By id why head does not have it any more.
    """

    slowdowns: tuple[Slowdown, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; without one nothing is accepted.

        Raises:
            GateError: A line is not what it should be.
        """
        if not path.is_file():
            return cls()
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GateError(f"{path.name} cannot be read: {error}. Mend it.") from error
        for name in tables:
            if name not in _TABLES:
                raise GateError(f"{path.name}: {unknown_name('table', name, _TABLES)}")
            if not isinstance(tables[name], list):
                raise GateError(f"{path.name}: [{name}] is one table, expected [[{name}]]. Mend it.")
        slowdowns = [_slowdown(path.name, number, entry) for number, entry in enumerate(tables.get("slowdown", []), 1)]
        renamed = {}
        for number, entry in enumerate(tables.get("renamed", []), 1):
            _check_keys(path.name, f"renamed {number}", entry, _RENAMED_KEYS)
            renamed[entry["base"]] = entry["head"]
        removed = {}
        for number, entry in enumerate(tables.get("removed", []), 1):
            _check_keys(path.name, f"removed {number}", entry, _REMOVED_KEYS)
            removed[entry["benchmark"]] = entry["reason"]
        return cls(slowdowns=tuple(slowdowns), renamed=renamed, removed=removed)

    def of(
        self, benchmark: str, change: float, *, today: date, is_between: Callable[[str], bool]
    ) -> tuple[Slowdown | None, list[str]]:
        """The line that accepts a slowdown, if one does; and sentences about lines that do not any more.

        Args:
            benchmark: Its id.
            change: How much slower, as a share.
            today: Lines count until their last day.
            is_between: Whether head contains a commit that base does not.
        """
        told = []
        for line in self.slowdowns:
            if not line.fits(benchmark):
                continue
            if today > line.until:
                told.append(f"{benchmark}: the accepted slowdown of {line.commit} ended on {line.until}")
            elif not is_between(line.commit):
                told.append(
                    f"{benchmark}: a slowdown is accepted for {line.commit}, which is not between base and head"
                )
            elif change > line.at_most:
                told.append(
                    f"{benchmark}: {line.at_most:.1%} slower was accepted for {line.commit}, found {change:.1%}"
                )
            else:
                return line, told
        return None, told


def _slowdown(name: str, number: int, entry: Mapping[str, Any]) -> Slowdown:
    where = f"slowdown {number}"
    _check_keys(name, where, entry, _SLOWDOWN_KEYS)
    at_most, until = entry["at_most"], entry["until"]
    if isinstance(at_most, bool) or not isinstance(at_most, int | float) or not 0 < at_most <= 10:
        raise GateError(f"{name}, {where}: at_most is {at_most!r}, expected a share such as 0.12. Mend the line.")
    if not isinstance(until, date):
        raise GateError(f"{name}, {where}: until is {until!r}, expected a date such as 2027-01-31. Mend the line.")
    return Slowdown(
        benchmark=entry["benchmark"],
        commit=entry["commit"],
        at_most=float(at_most),
        reason=entry["reason"],
        until=until,
    )


def _check_keys(name: str, where: str, entry: Any, keys: Sequence[str]) -> None:
    if not isinstance(entry, dict) or set(entry) != set(keys):
        found = ", ".join(entry) if isinstance(entry, dict) else repr(entry)
        raise GateError(f"{name}, {where}: expected {', '.join(keys)}; found {found or 'nothing'}. Mend the line.")
    for key in keys:
        if key not in ("at_most", "until") and not (isinstance(entry[key], str) and entry[key].strip()):
            raise GateError(f"{name}, {where}: {key} is {entry[key]!r}, expected a text. Mend the line.")


def load_structure(path: Path) -> dict[str, Any] | None:
    """The committed facts, or None where there are none.

    Raises:
        GateError: The file is no such thing.
    """
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise GateError(f"{path.name} cannot be read: {error}. Make it anew: --update-structure.") from error
    if not isinstance(found, dict) or not isinstance(found.get("cases"), dict):
        raise GateError(f"{path.name}: expected facts with cases. Make it anew: --update-structure.")
    return found


def save_structure(path: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts so that a diff shows one changed fact as one line."""
    with atomic_write(path) as file:
        file.write(json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")


def unchecked(committed: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Why the facts cannot all be held against the committed ones: another torch, a mode that cannot run here."""
    before, after = committed.get("torch"), found.get("torch")
    told = []
    if before != after:
        told.append(
            f"committed for torch {before}, this is {after}: measure with the first, or have the diff of "
            "`pricebench gate --update-structure` reviewed"
        )
    missing = {case: facts["missing"] for case, facts in found["cases"].items() if "missing" in facts}
    reasons = dict.fromkeys(missing.values())
    return told + [f"{', '.join(case for case in missing if missing[case] == reason)}: {reason}" for reason in reasons]


def differences(committed: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """A sentence per fact that changed, each with what was committed and what was found.

    On another torch only wrong answers and the model's own size count: the rest may be torch's doing, and `unchecked`
    says so.
    """
    is_same_torch = committed.get("torch") == found.get("torch")
    told = [
        f"{name}: {committed.get(name)} committed, {found.get(name)} found"
        for name in ("schema", "workload", "parameters", "flop")
        if committed.get(name) != found.get(name)
    ]
    for case in dict.fromkeys([*committed["cases"], *found["cases"]]):
        before, after = committed["cases"].get(case), found["cases"].get(case)
        if after is not None and "missing" in after:
            continue
        if after is not None and after.get("equals_eager") is False:
            told.append(f"{case}: wrong answer, the output is not that of eager in float64")
        if not is_same_torch:
            continue
        if before is None or after is None:
            told.append(f"{case}: {'new' if before is None else 'gone'}")
            continue
        if "fails" in after and "fails" not in before:
            told.append(f"{case}: fails now, {after['fails']}")
            continue
        for name in dict.fromkeys([*before, *after]):
            if name == "equals_eager":
                continue
            old, new = before.get(name, _MISSING), after.get(name, _MISSING)
            if old != new:
                told.append(f"{case}: {name} {_difference(old, new)}")
    return told


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in dict.fromkeys([*old, *new]) if old.get(name, 0) != new.get(name, 0)]
        return ", ".join(f"{name} {old.get(name, 0)}, now {new.get(name, 0)}" for name in names)
    return f"{old}, now {new}"
