"""Where TorchDynamo gives up and lets Python go on: the breaks between the graphs of a model, with file and line."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pricebench.inputs import Example, Inputs

# Dynamo's words about a function that it skips: the function, and where in it the cause is.
_SKIPPED_FRAME = re.compile(r"frame skipped: (?P<function>\S+) \((?P<file>.+) line (?P<line>\d+)\)")
_CAUSE = re.compile(r'# File "(?P<file>[^"]+)", line (?P<line>\d+)')


class GraphBreak(NamedTuple):
    """One place at which a graph ends and Python runs.

    Attributes:
        reason: TorchDynamo's own words, their first line.
        file: Name of the source file, without its folders; empty where unknown.
        line: Number of the line in it, from 1; 0 where unknown.
    """

    reason: str
    file: str
    line: int

    def __str__(self) -> str:
        """The reason with its place."""
        return f"{self.reason} ({self.file}, line {self.line})" if self.file else self.reason


def graph_breaks(module: nn.Module, example: Example) -> list[GraphBreak]:
    """Capture a snapshot of `module` for inference, and tell the breaks. Compiles nothing; drops what was compiled.

    Raises:
        RuntimeError: TorchDynamo cannot take this module at all.
        Exception: What the module itself raises on these inputs.
    """
    # Seconds, which no mode but `compile` should pay.
    from torch._dynamo.utils import counters, graph_break_reasons  # noqa: PLC0415

    snapshot = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    torch.compiler.reset()
    counters.clear()
    graph_break_reasons.clear()
    try:
        # torch.compile guards on the gradient mode: this is the one of ExecutionMode.prepare_inference.
        with torch.inference_mode():
            Inputs.of(example).clone().call(torch.compile(snapshot, backend="eager"))
        # A function that was given up as a whole, such as one with a break in a loop, is told by the counters alone.
        skipped = [break_ for text in counters["unimplemented"] if (break_ := _skipped(text))]
        return list(dict.fromkeys([*(_between_graphs(reason) for reason in graph_break_reasons), *skipped]))
    finally:
        torch.compiler.reset()


def _between_graphs(reason: Any) -> GraphBreak:
    frame = reason.user_stack[-1] if reason.user_stack else None
    place = (Path(frame.filename).name, frame.lineno or 0) if frame else ("", 0)
    return GraphBreak(_first_line(reason.reason), *place)


def _skipped(text: str) -> GraphBreak | None:
    frame = _SKIPPED_FRAME.search(text)
    if frame is None:
        return None
    cause = _CAUSE.search(text)
    file, line = (cause or frame)["file"], int((cause or frame)["line"])
    return GraphBreak(f"{_first_line(text)}; all of {frame['function']} runs without a graph", Path(file).name, line)


def _first_line(text: object) -> str:
    return next(iter(str(text).strip().splitlines()), "no reason given")
