"""The errors a user can cause, and the exit codes they end in.

Every message says what was expected, what was found, where, and what to do next, in one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process's exit status means, in every command."""

    FINE = 0
    REGRESSION = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 3
    BROKEN = 4


class PricebenchError(Exception):
    """Something outside the program is wrong: a file, a name, this machine. The command line prints it as one line."""

    exit_code = ExitCode.BAD_INPUT


class DataError(PricebenchError):
    """A data file is not what it should be."""


class ArtifactError(PricebenchError):
    """A trained model or its statistics cannot be used."""


class TraceError(PricebenchError):
    """A profiler trace, or an analysis of one, is not what it should be."""


class ModeError(PricebenchError):
    """An execution mode is unknown, cannot run here, or cannot run this module."""


class WorkloadError(PricebenchError):
    """What is to be measured cannot be found, made, or run."""


def unknown_name(kind: str, found: str, known: Iterable[str]) -> str:
    """Say that `found` is no `kind`, with the nearest known name if there is one.

    >>> unknown_name("execution mode", "egaer", ("eager", "fx"))
    "No execution mode is called 'egaer'. Did you mean 'eager'? Known: eager, fx."
    """
    names = list(known)
    nearest = difflib.get_close_matches(found, names, n=1)
    hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
    return f"No {kind} is called '{found}'.{hint} Known: {', '.join(names)}."


def printable(text: str) -> str:
    """At most 40 characters that cannot break a line."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= 40 else shown[:37] + "..."
