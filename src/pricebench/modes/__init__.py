"""The ways to execute a module, one file each. They know nothing of house prices."""

from __future__ import annotations

from pricebench.errors import ModeError, unknown_name
from pricebench.modes import aot, compile, eager, fx, onnxruntime, torchscript  # noqa: A004 - the mode's name is its key
from pricebench.modes.base import ExecutionMode, Forward

__all__ = ["ALL_MODES", "MODES", "ExecutionMode", "Forward", "mode_named"]

MODES = (eager.MODE, torchscript.MODE, fx.MODE, compile.MODE)
"""What is compared wherever nobody names a mode."""

ALL_MODES = (*MODES, aot.MODE, onnxruntime.MODE)
"""And those that are made ahead of time, for inference alone: wherever a mode can be named."""


def mode_named(name: str) -> ExecutionMode:
    """Find a mode that can run here.

    Raises:
        ModeError: No mode has this name, or this machine lacks what it needs.
    """
    for mode in ALL_MODES:
        if mode.name == name:
            reason = mode.missing()
            if reason is not None:
                raise ModeError(f"Mode {name} cannot run here: {reason}.")
            return mode
    raise ModeError(unknown_name("execution mode", name, (mode.name for mode in ALL_MODES)))
