"""Where TorchDynamo gives up and lets Python go on: the breaks between the graphs of a model, with file and line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pricebench.inputs import Example, Inputs


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
        RuntimeError: TorchDynamo cannot take this module at all, or the module itself raises.
    """
    snapshot = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    try:
        return breaks_of(explain(snapshot, Inputs.of(example)))
    finally:
        torch.compiler.reset()


def explain(module: nn.Module, inputs: Inputs) -> Any:
    """What TorchDynamo says of a call."""
    # torch.compile guards on the gradient mode: this is the one of ExecutionMode.prepare_inference.
    with torch.inference_mode():
        return inputs.call(torch._dynamo.explain(module))  # noqa: SLF001 - PyTorch documents it by this name


def breaks_of(explained: Any) -> list[GraphBreak]:
    """The breaks in an explanation."""
    found = []
    for reason in explained.break_reasons:
        frame = reason.user_stack[-1] if reason.user_stack else None
        first_line = str(reason.reason).strip().splitlines()[0]
        place = (Path(frame.filename).name, frame.lineno) if frame else ("", 0)
        found.append(GraphBreak(first_line, *place))
    return found
