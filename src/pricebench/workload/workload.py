"""What is measured: any module, its inputs at any sizes, and its loss where it has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from torch import Tensor, nn

from pricebench.agreement import default_tolerance
from pricebench.errors import WorkloadError, unknown_name
from pricebench.inputs import Example, Inputs

Sizes: TypeAlias = Mapping[str, int]
"""Dimensions that vary, by name: `{"batch": 64, "sequence": 128}`."""

Dims: TypeAlias = Mapping[str, Mapping[int, str]]
"""Which axis of which input is which dimension: `{"input_ids": {0: "batch", 1: "sequence"}}`."""

BATCH = "batch"
FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A module with everything needed to run and to check it.

    Attributes:
        name: A database key.
        module: In evaluation mode; copied by whoever changes it.
        make_inputs: Sizes -> arguments of a call, the same ones for the same sizes.
        shapes: Sizes by name; `full` is there, `residual` and `single` usually are. A number means that batch.
        make_targets: Sizes -> what the loss compares with; None where there is no training.
        loss: `(output, targets)` -> scalar; None where there is no training.
        tolerance: Largest error of an output that still counts as equal, relative to its largest value; None for
            what rounding explains, by the module's precision and depth.
        seed: Set before each training, for modules that are random in it.
        dims: Which axis of which input is which dimension, where that is known.
        notes: What must be said of it, such as what was found by trying.
    """

    name: str
    module: nn.Module
    make_inputs: Callable[[Sizes], Example]
    shapes: Mapping[str, Sizes]
    make_targets: Callable[[Sizes], Any] | None = None
    loss: Callable[[Any, Any], Tensor] | None = None
    tolerance: float | None = None
    seed: int = 0
    dims: Dims = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Say what is missing, in one sentence.

        Raises:
            WorkloadError: It is no workload.
        """
        if not isinstance(self.module, nn.Module):
            raise WorkloadError(
                f"{self.name}: the module is a {type(self.module).__name__}, expected a torch.nn.Module."
            )
        shapes = {
            name: {BATCH: sizes} if isinstance(sizes, int) else dict(sizes) for name, sizes in self.shapes.items()
        }
        if FULL not in shapes:
            raise WorkloadError(
                f"{self.name}: no shape is called 'full', found {', '.join(shapes) or 'none'}. Name one."
            )
        for name, sizes in shapes.items():
            if sizes.keys() != shapes[FULL].keys():
                raise WorkloadError(
                    f"{self.name}: shape {name} sets {', '.join(sizes)}, "
                    f"expected {', '.join(shapes[FULL])} as full does."
                )
            for dimension, size in sizes.items():
                if size < 1:
                    raise WorkloadError(f"{self.name}: shape {name} sets {dimension} to {size}, expected at least 1.")
        if (self.loss is None) != (self.make_targets is None):
            missing = "loss" if self.loss is None else "targets"
            raise WorkloadError(f"{self.name}: it has no {missing}. A training step needs both loss and targets.")
        object.__setattr__(self, "shapes", shapes)

    @property
    def has_loss(self) -> bool:
        """Whether it can be trained."""
        return self.loss is not None

    @property
    def batch(self) -> str:
        """The dimension that varies from call to call: `batch`, or the first one. Empty where none varies."""
        names = self.shapes[FULL]
        return BATCH if BATCH in names else next(iter(names), "")

    def sizes(self, shape: str | Sizes | int) -> Sizes:
        """The sizes of a shape by its name; sizes as they are; a number is full with that batch.

        Raises:
            WorkloadError: No shape has this name, or no dimension varies.
        """
        if isinstance(shape, str):
            if shape not in self.shapes:
                raise WorkloadError(unknown_name("shape", shape, self.shapes))
            return self.shapes[shape]
        if isinstance(shape, int):
            if not self.batch:
                raise WorkloadError(f"{self.name}: no dimension varies, so there is no batch of {shape}. Give dims.")
            return {**self.shapes[FULL], self.batch: shape}
        return shape

    def rows(self, shape: str | Sizes | int) -> int:
        """The size of the batch; 1 where no dimension varies."""
        return self.sizes(shape).get(self.batch, 1)

    def inputs(self, shape: str | Sizes | int) -> Inputs:
        """The arguments of a call."""
        return Inputs.of(self.make_inputs(self.sizes(shape)))

    def targets(self, shape: str | Sizes | int) -> Any:
        """What the loss compares with.

        Raises:
            WorkloadError: It cannot be trained.
        """
        return self._training()[1](self.sizes(shape))

    def loss_of(self, output: Any, targets: Any) -> Tensor:
        """The loss, a scalar; raises as `targets`."""
        return self._training()[0](output, targets)

    def _training(self) -> tuple[Callable[[Any, Any], Tensor], Callable[[Sizes], Any]]:
        if self.loss is None or self.make_targets is None:
            raise WorkloadError(f"{self.name} has no loss, so it cannot be trained. Give loss and targets.")
        return self.loss, self.make_targets

    @property
    def tolerated(self) -> float:
        """The tolerance, given or derived."""
        return default_tolerance(self.module) if self.tolerance is None else self.tolerance

    def on(self, device: Any) -> Workload:
        """The same on a device."""
        make_inputs, make_targets = self.make_inputs, self.make_targets
        return replace(
            self,
            module=self.module.to(device),
            make_inputs=lambda sizes: Inputs.of(make_inputs(sizes)).to(device),
            make_targets=None if make_targets is None else lambda sizes: _to(make_targets(sizes), device),
        )


def _to(tree: Any, device: Any) -> Any:
    return Inputs.of((tree,)).to(device).args[0]
