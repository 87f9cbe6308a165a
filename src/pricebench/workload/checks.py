"""What a workload's call should give: outputs, and loss with all gradients, by eager in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from pricebench.agreement import (
    Difference,
    default_tolerance,
    expected_output,
    in_float64,
    largest_difference,
    run_in_float64,
)
from pricebench.inputs import Inputs, as_float64, leaves
from pricebench.workload.workload import Sizes, Workload

_OF_EAGER, _MOST = 10.0, 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a call should give.

    Attributes:
        value: A pytree of tensors.
        by: The arithmetic that gave it: `float64`, or why it is another.
        eager: How far eager in the module's own precision is from it.
        tolerance: Largest error that counts as equal, relative to the largest value.
        is_together: Errors are relative to the largest value of all tensors, as for gradients.
    """

    value: Any
    by: str
    eager: Difference
    tolerance: float
    is_together: bool = False

    def difference(self, found: Any) -> Difference:
        """How far an answer is from it."""
        return largest_difference(found, self.value, together=self.is_together)

    @property
    def tolerated(self) -> float:
        """The tolerance, or ten times eager's own error, up to a hundred tolerances.

        A lone output that cancels has no large value beside it; a module that is imprecise in eager is told anyway.
        """
        return max(self.tolerance, min(_OF_EAGER * self.eager.error, _MOST * self.tolerance))

    def wrong(self, found: Any) -> str:
        """Why an answer is wrong, beside what eager gives; empty where it is right."""
        difference = self.difference(found)
        if difference.error <= self.tolerated:
            return ""
        return f"{difference} value, tolerated are {self.tolerated:.2g}, eager is off by {self.eager.error:.2g}"


def expected_inference(workload: Workload, shape: str | Sizes | int) -> Expected:
    """What a forward pass should give."""
    inputs = workload.inputs(shape)
    value, by = expected_output(workload.module, inputs)
    with torch.inference_mode():
        found = inputs.clone().call(copy.deepcopy(workload.module).eval())
    return Expected(value=value, by=by, eager=largest_difference(found, value), tolerance=workload.tolerated)


def expected_training(workload: Workload, module: nn.Module, shape: str | Sizes | int) -> Expected:
    """What loss and gradients of a module should be; it is one that `quieted` made.

    Raises:
        WorkloadError: The workload has no loss.
    """
    inputs, targets = workload.inputs(shape), workload.targets(shape)
    eager = copy.deepcopy(module)
    found = loss_and_gradients(workload, eager, eager, inputs.clone(), targets)
    try:
        reference = in_float64(module)
        value = run_in_float64(
            lambda: loss_and_gradients(workload, reference, reference, inputs.clone().double(), doubled(targets))
        )
        by = "float64"
    # A module that insists on its own precision may raise anything; eager in its own has just run.
    except Exception as error:
        value, by = found, f"eager, for in float64 it fails: {next(iter(str(error).splitlines()), '')}"
    difference = largest_difference(found, value, together=True)
    # A gradient is a sum over the batch too.
    derived = default_tolerance(module, rows=workload.rows(shape))
    tolerance = derived if workload.tolerance is None else workload.tolerance
    return Expected(value=value, by=by, eager=difference, tolerance=tolerance, is_together=True)


def loss_and_gradients(
    workload: Workload, module: nn.Module, forward: Callable[..., Any], inputs: Inputs, targets: Any
) -> list[Tensor]:
    """The loss, then the gradient of each parameter that has one, by a forward that uses the module's parameters."""
    loss = workload.loss_of(inputs.call(forward), targets)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [loss.detach(), *(gradient for gradient in gradients if gradient is not None)]


def doubled(tree: Any) -> Any:
    """A pytree with its floating point tensors in float64."""
    return Inputs.of((tree,)).map(as_float64).args[0]


def quieted(workload: Workload) -> tuple[nn.Module, str]:
    """A copy in training mode whose steps can be compared, and what had to be switched off for that; empty for nothing.

    Two ways to draw random numbers cannot be compared by their results: dropout is switched off, and where a step is
    random even then, the copy is in evaluation mode.
    """
    module = copy.deepcopy(workload.module).train()
    if not _is_random(workload, module):
        return module, ""
    for part in module.modules():
        if isinstance(part, _DropoutNd):
            part.p = 0.0
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0  # type: ignore[assignment] # nn.LSTM and nn.MultiheadAttention keep the number itself
    if not _is_random(workload, module):
        return module, "dropout is off while training steps are checked, and on while they are timed"
    return module.eval(), "it is random in training: steps are checked in evaluation mode, and timed in training mode"


def _is_random(workload: Workload, module: nn.Module) -> bool:
    """Whether two seeds give two losses."""
    losses = []
    for seed in (workload.seed, workload.seed + 1):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            output = workload.inputs(_smallest(workload)).call(copy.deepcopy(module))
            losses.append(workload.loss_of(output, workload.targets(_smallest(workload))))
    return not torch.equal(*losses)


def _smallest(workload: Workload) -> Sizes:
    """Of the shapes with more than one row, for batch norm's sake, the one with the fewest."""
    several = [sizes for name, sizes in workload.shapes.items() if workload.rows(name) > 1]
    return min(several or list(workload.shapes.values()), key=lambda sizes: sizes.get(workload.batch, 1))


def changes_inputs(workload: Workload, shape: str | Sizes | int) -> bool:
    """Whether a call writes to its own inputs: whoever calls twice needs fresh ones."""
    inputs = workload.inputs(shape)
    used = inputs.clone()
    with torch.inference_mode():
        used.call(copy.deepcopy(workload.module))
    pairs = zip(leaves((inputs.args, dict(inputs.kwargs))), leaves((used.args, dict(used.kwargs))), strict=True)
    return any(
        isinstance(one, Tensor) and not torch.equal(one.nan_to_num(), other.nan_to_num())
        for (_, one), (_, other) in pairs
    )
