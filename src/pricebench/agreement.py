"""Does an output equal that of eager in float64? Which output differs, where, and by how much."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pricebench.inputs import Inputs, leaves

# A float32 sum of K products is off by about K ** 0.5 roundings (Higham and Mary, 2019: random signs), layers add up,
# and this leaves a factor of ten.
_SLACK = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The largest difference between two outputs, and where it is.

    Attributes:
        error: Relative to the largest value of that output; infinite where shapes differ or a value is not a number.
        output: Which one, such as `['logits']`; empty where there is only one.
        index: Of the value in it.
        found: The value.
        expected: What it should be.
        reason: Why nothing could be compared, or empty.
    """

    error: float
    output: str = ""
    index: tuple[int, ...] = ()
    found: float = math.nan
    expected: float = math.nan
    reason: str = ""

    def __str__(self) -> str:
        """In words."""
        if self.reason:
            return self.reason
        where = f"{self.output or 'the output'}[{', '.join(map(str, self.index))}]"
        return f"{where} is {self.found:.7g}, float64 gives {self.expected:.7g}: off by {self.error:.2g} of the largest"


def largest_difference(found: Any, expected: Any, *, together: bool = False) -> Difference:
    """Compare two pytrees, tensor by tensor.

    Args:
        found: What is checked.
        expected: The reference, usually in float64.
        together: Relative to the largest value of all tensors, not of each. For gradients: a single one may be zero
            but for rounding, such as that of a bias whose residuals cancel.
    """
    ours, theirs = _tensors(found), _tensors(expected)
    if len(ours) != len(theirs):
        return Difference(error=math.inf, reason=f"{len(ours)} tensors, expected {len(theirs)}")
    if not theirs:
        return Difference(
            error=math.inf, reason="there is no tensor and no number in the output, so nothing to compare"
        )
    scale = max((_largest(tensor) for _, tensor in theirs), default=0.0) if together else None
    worst = Difference(error=0.0)
    for (output, one), (_, other) in zip(ours, theirs, strict=True):
        difference = _difference(output, one.detach(), other.detach(), scale)
        if difference.error >= worst.error:
            worst = difference
    return worst


def _difference(output: str, one: Tensor, other: Tensor, scale: float | None) -> Difference:
    name = output or "the output"
    if one.shape != other.shape:
        reason = f"{name} has shape {tuple(one.shape)}, expected {tuple(other.shape)}"
        return Difference(error=math.inf, output=output, reason=reason)
    if one.is_complex() != other.is_complex():
        reason = f"{name} is {one.dtype}, expected {other.dtype}"
        return Difference(error=math.inf, output=output, reason=reason)
    if not other.numel():
        return Difference(error=0.0, output=output)
    one = one.to(other.device)
    if other.is_complex():
        one, other = torch.view_as_real(one), torch.view_as_real(other)
    ours, theirs = one.double(), other.double()
    # Equal infinities, and NaN where float64 has it too (a masked row, for instance), are no difference.
    is_same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    apart = torch.where(is_same, 0.0, (ours - theirs).abs()).nan_to_num(nan=math.inf, posinf=math.inf)
    place = int(apart.argmax())
    index = tuple(int(number) for number in torch.unravel_index(torch.tensor(place), apart.shape))
    scale = _largest(other) if scale is None else scale
    error = float(apart.flatten()[place])
    return Difference(
        error=error / scale if scale else error,
        output=output,
        index=index,
        found=float(ours.flatten()[place]),
        expected=float(theirs.flatten()[place]),
    )


def _largest(tensor: Tensor) -> float:
    values = tensor.detach()
    values = torch.view_as_real(values) if values.is_complex() else values
    finite = values.double()[values.double().isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _tensors(tree: Any) -> list[tuple[str, Tensor]]:
    """The tensors of an output, numbers too: a module may give a length beside its scores."""
    numbers = (bool, int, float, complex)
    return [(place, torch.as_tensor(leaf)) for place, leaf in leaves(tree) if isinstance(leaf, (Tensor, *numbers))]


def in_float64(module: nn.Module) -> nn.Module:
    """A copy of which every number is a float64, in the same training mode."""
    return copy.deepcopy(module).double()


def run_in_float64(run: Callable[[], Any]) -> Any:
    """Run with float64 as the type of tensors that a module makes itself."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return run()
    finally:
        torch.set_default_dtype(before)


def expected_output(module: nn.Module, inputs: Inputs) -> tuple[Any, str]:
    """What inference should give, and by which arithmetic: `float64`, or why eager's own precision is the reference."""
    with torch.inference_mode():
        try:
            reference = in_float64(module).eval()
            return run_in_float64(lambda: inputs.clone().double().call(reference)), "float64"
        # A module that insists on its own precision may raise anything; what else is wrong with it, the next line says.
        except Exception as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            return inputs.clone().call(copy.deepcopy(module).eval()), f"eager, for in float64 it fails: {reason}"


def default_tolerance(module: nn.Module, *, dtype: torch.dtype | None = None, rows: int = 1) -> float:
    """The relative error that rounding explains: ten times layers x roundings of the longest sum.

    Layers are modules with a matrix, a filter or a table; the longest sum is the largest product of what such a
    parameter is summed over, or the rows that gradients are added over.
    `10 * L * K ** 0.5 * eps / 2`, at most a tenth.
    """
    sums = [parameter[0].numel() for parameter in module.parameters() if parameter.ndim > 1]
    kinds = [parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()]
    dtype = dtype or max(kinds, key=lambda kind: torch.finfo(kind).eps, default=torch.float32)
    # Whole numbers of 8 bits are a 127th of the largest apart.
    apart = torch.finfo(dtype).eps if dtype.is_floating_point else 1 / torch.iinfo(dtype).max
    roundings = max(1, len(sums)) * math.sqrt(max([rows, *sums])) * apart / 2
    return min(0.1, _SLACK * roundings)
