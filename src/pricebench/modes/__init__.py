"""The ways to execute a module, one file each. They know nothing of house prices."""

from __future__ import annotations

from pricebench.errors import ModeError, unknown_name
from pricebench.modes import compile, eager, fx, torchscript  # noqa: A004 - the mode's name is its key
from pricebench.modes.base import ExecutionMode, Forward

__all__ = ["MODES", "ExecutionMode", "Forward", "mode_named"]

MODES = (eager.MODE, torchscript.MODE, fx.MODE, compile.MODE)


def mode_named(name: str) -> ExecutionMode:
    """Find a mode that can run here.

    Raises:
        ModeError: No mode has this name, or this machine lacks what it needs.
    """
    for mode in MODES:
        if mode.name == name:
            reason = mode.missing()
            if reason is not None:
                raise ModeError(f"Mode {name} cannot run here: {reason}.")
            return mode
    raise ModeError(unknown_name("execution mode", name, (mode.name for mode in MODES)))
