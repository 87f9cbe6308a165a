"""What an execution mode is: a name, what it needs, and two ways to prepare any `nn.Module`."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pricebench.errors import ModeError
from pricebench.inputs import Example, Inputs
from pricebench.modes.portable import Portable

Forward: TypeAlias = Callable[..., Any]

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionMode:
    """One way to execute a module.

    Attributes:
        name: A database key: it does not change.
        summary: What happens to the module, in a few words.
        needs: What must be there besides torch.
        deprecation: PyTorch's own notice, or None.
        missing: Says why the mode cannot run here, or None where it can. Cheap: it compiles nothing.
        needs_python: Whether what it makes runs inside of a Python process.
        trains: Whether training steps can run in it; else it is for inference alone.
        needs_compiler: Whether a compiler has to be there where it runs.
        sizes: Batch sizes to prepare, ascending, where each new size costs a compilation: a batch is padded to one of
            them. Empty where any size runs as it is.
        build: `(module, inputs)` -> a callable that computes the same in this mode and shares the module's parameters.
        freeze: Further work for inference on what `build` made, where the mode has any.
        records_gradients: Whether what it makes would, so that it has to run under `inference_mode`.
        code: `(module, inputs)` -> what the mode made of the module, to be read, or None where it makes nothing. It
            may run a compiler, and drop what was compiled before.
        precision: Of its matrix products, where it is less than the module's own.
        portable: How it is written to a file that other programs load, where it can be.
    """

    name: str
    summary: str
    needs: str
    deprecation: str | None = None
    missing: Callable[[], str | None]
    needs_python: bool = True
    trains: bool = True
    needs_compiler: bool = False
    sizes: tuple[int, ...] = ()
    records_gradients: bool = True
    build: Callable[[nn.Module, Inputs], Forward]
    freeze: Callable[[Forward], Forward] | None = None
    code: Callable[[nn.Module, Inputs], str] | None = None
    precision: torch.dtype | None = None
    portable: Portable | None = None

    @property
    def base(self) -> str:
        """The name without the transformations behind a plus each."""
        return self.name.partition("+")[0]

    def prepare_inference(self, module: nn.Module, example: Example) -> Forward:
        """Snapshot `module` for inference; later changes of its weights are not seen, in any mode.

        Args:
            module: Left as it is, its training flag too.
            example: Arguments of a call, on the module's device. Not run: the first call is the caller's to make and
                to time. A mode that is made ahead of time traces the module with them.

        Returns:
            A callable that records no gradients, whatever the caller does: one who forgot `inference_mode` would
            compile a second graph. An input that was itself made under it still does: torch.compile guards on that too.

        Raises:
            ModeError: The mode cannot take this module.
        """
        snapshot = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
        built = self.build(snapshot, Inputs.of(example))
        forward = self.freeze(built) if self.freeze else built
        return self.without_gradients(forward)

    def without_gradients(self, forward: Forward) -> Forward:
        """The same callable, always under `inference_mode`, unless nothing in it could record a gradient."""
        if not self.records_gradients:
            return forward

        def infer(*args: Any, **kwargs: Any) -> Any:
            if torch.is_inference_mode_enabled():  # to enter it once more costs microseconds
                return forward(*args, **kwargs)
            with torch.inference_mode():
                return forward(*args, **kwargs)

        return infer

    def prepare_training(self, module: nn.Module, example: Example) -> Forward:
        """Prepare `module` for training steps; the returned callable uses the module's own parameters.

        Raises:
            ModeError: The mode cannot take this module, or cannot train.
        """
        self.require_training()
        return self.build(module.train(), Inputs.of(example))

    def require_training(self) -> None:
        """Say now that a mode is for inference alone, not after the work that leads up to it.

        Raises:
            ModeError: It is.
        """
        if not self.trains:
            raise ModeError(
                f"{self.name} cannot train: it is for inference alone. Train in another mode, such as eager."
            )

    def show(self, module: nn.Module, example: Example) -> str | None:
        """What the mode made of the module, to be read; None where it makes nothing.

        Raises:
            ModeError: The mode cannot take this module.
        """
        return self.code(module, Inputs.of(example)) if self.code else None


class PerShape(ABC):
    """A callable that looks at the shapes of its inputs to find what runs."""

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run for inputs of any shape."""

    @abstractmethod
    def for_shape_of(self, x: Tensor) -> Forward:
        """What runs for a lone contiguous tensor of this shape and precision, without looking."""


def for_shape_of(x: Tensor, forward: Forward) -> Forward:
    """What a prepared callable is for lone tensors of one shape: looking takes as long as a small model."""
    return forward.for_shape_of(x) if isinstance(forward, PerShape) else forward


def always_available() -> None:
    """The answer of a mode that needs nothing."""


def reason_of(error: Exception) -> str:
    """The first line of an error's message, for a sentence of ours; torch's own go on for pages.

    Without addresses: they differ from run to run, and two reports of one reason would differ too.
    """
    lines = (_ADDRESS.sub("", line).strip().rstrip(".:") for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
