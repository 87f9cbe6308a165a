"""The reports of a folder, whatever their kind; a broken one never stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from pricebench.errors import PricebenchError

R = TypeVar("R")


class Reports(NamedTuple, Generic[R]):
    """The reports of a folder, the newest first, and the files that are none, with the reason."""

    found: dict[Path, R]
    unreadable: dict[Path, str]


def read_reports(paths: Iterable[Path], load: Callable[[Path], R]) -> Reports[R]:
    """Read reports, given oldest first, by what reads one."""
    found, unreadable = {}, {}
    for path in paths:
        try:
            found[path] = load(path)
        except PricebenchError as error:
            unreadable[path] = str(error)
    return Reports(dict(reversed(found.items())), unreadable)
