"""Eager: Python calls one operator after another. The reference for every other mode, in time and in result."""

from __future__ import annotations

from torch import nn

from pricebench.inputs import Inputs
from pricebench.modes.base import ExecutionMode, Forward, always_available


def _build(module: nn.Module, inputs: Inputs) -> Forward:  # noqa: ARG001 - the signature of every mode
    return module


MODE = ExecutionMode(
    name="eager",
    summary="Python calls each operator",
    needs="nothing",
    missing=always_available,
    build=_build,
)
