"""The arms: ways to live with a residual batch, from doing nothing to each remedy of PyTorch or of a data loader.

The names of this file are known without the compiler: what needs it is imported where it runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from pricebench.cliff.schedule import CliffError, Kind
from pricebench.errors import unknown_name
from pricebench.inputs import Inputs
from pricebench.modes import ExecutionMode, compile, eager, fx, torchscript  # noqa: A004 - the mode's name is its key
from pricebench.modes.base import Forward

if TYPE_CHECKING:
    from pricebench.cliff.recorder import GraphRecorder

Stance: TypeAlias = Literal["eager_on_recompile", "eager_then_compile"]

_BOTH = (Kind.INFERENCE, Kind.TRAINING)
_DYNAMO, _INDUCTOR = "torch._dynamo.config", "torch._inductor.config"


def _nothing_missing(device: str) -> str | None:  # noqa: ARG001
    return None


BatchAxes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The axes that are the batch, by the place of the tensor among the inputs."""


def _no_options(module: nn.Module, inputs: Inputs, axes: BatchAxes) -> Mapping[str, Any]:  # noqa: ARG001
    return {}


def _as_it_is(rows: int, full: int) -> int:  # noqa: ARG001
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to run batches of changing size.

    Attributes:
        name: A key: it does not change.
        summary: What it does, in a few words.
        kinds: What it can do: dropping a batch is no way to answer it.
        mode: How the module is executed.
        options: `(module, inputs, axes)` -> further arguments of `torch.compile`.
        inductor: Options of TorchInductor.
        config: Entries of torch's configuration, by full name, set before anything is compiled.
        mark: Tells TorchDynamo about an axis that is the batch: `(tensor, axis, full rows)`, at each call.
        fit: `(rows, full)` -> rows that are run: more are zeros, 0 drops the batch.
        stance: Of the compiler, from the start, or after the first full block if `stance_later`.
        stance_later: See `stance`.
        missing: `device` -> why it cannot run here, or None.
    """

    name: str
    summary: str
    kinds: tuple[Kind, ...] = _BOTH
    mode: ExecutionMode = compile.MODE
    options: Callable[[nn.Module, Inputs, BatchAxes], Mapping[str, Any]] = _no_options
    inductor: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)
    mark: Callable[[Tensor, int, int], None] | None = None
    fit: Callable[[int, int], int] = _as_it_is
    stance: Stance | None = None
    stance_later: bool = False
    missing: Callable[[str], str | None] = _nothing_missing

    @property
    def compiles(self) -> bool:
        """Whether `torch.compile` is in it."""
        return self.mode is compile.MODE

    def prepare(
        self, module: nn.Module, inputs: Inputs, axes: BatchAxes, kind: Kind, recorder: GraphRecorder
    ) -> Forward:
        """Make the callable; nothing is compiled before its first call. Training leaves the module's flag as it is."""
        mode = self.mode
        if self.compiles:
            mode = replace(mode, build=lambda built, example: self._compile(built, example, axes, recorder))
        if kind is Kind.INFERENCE:
            return mode.prepare_inference(module, inputs)
        return mode.build(module, inputs)

    def _compile(self, module: nn.Module, inputs: Inputs, axes: BatchAxes, recorder: GraphRecorder) -> Forward:
        compiled: Forward = torch.compile(module, backend=recorder, **self.options(module, inputs, axes))
        return compiled


def _static(module: nn.Module, inputs: Inputs, axes: BatchAxes) -> Mapping[str, Any]:  # noqa: ARG001
    return {"dynamic": False}


def _dynamic(module: nn.Module, inputs: Inputs, axes: BatchAxes) -> Mapping[str, Any]:  # noqa: ARG001
    return {"dynamic": True}


def _one_spec(module: nn.Module, inputs: Inputs, axes: BatchAxes) -> Mapping[str, Any]:
    from torch.fx.experimental.dynamic_spec import ParamsSpec, ShapeVar, TensorSpec  # noqa: PLC0415 - torch 2.15 only

    tensors = dict(inputs.tensors())
    signature = inspect.signature(module.forward)
    names = dict(zip(map(str, range(len(inputs.args))), signature.parameters, strict=False))
    specs: dict[str, Any] = {}
    batch = None
    for place, open_axes in axes.items():
        name, tensor = names.get(place, place), tensors[place]
        parameter = signature.parameters.get(name)
        if parameter is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise CliffError(
                f"not available: dynamic_shapes is given by argument, and input {place} is inside of one. "
                "Use mark_dynamic"
            )
        if batch is None:
            rows = tensor.shape[open_axes[0]]
            batch = ShapeVar("batch", min=1, max=2 * rows, optimization_hint=rows)
        specs[name] = TensorSpec([batch if axis in open_axes else None for axis in range(tensor.dim())])
    return {"dynamic_shapes": ParamsSpec(specs)}


def _mark_dynamic(tensor: Tensor, axis: int, full: int) -> None:  # noqa: ARG001
    from torch._dynamo.decorators import mark_dynamic  # noqa: PLC0415

    mark_dynamic(tensor, axis)


def _mark_specialized(tensor: Tensor, axis: int, full: int) -> None:
    from torch._dynamo.decorators import mark_dynamic  # noqa: PLC0415

    mark_dynamic(tensor, axis, specialize_on=[_equals(full)])


_SPECIALIZATIONS: dict[int, Callable[[int], bool]] = {}


def _equals(full: int) -> Callable[[int], bool]:
    # One function per number: another one, though equal, would be another specialisation.
    return _SPECIALIZATIONS.setdefault(full, lambda rows: rows == full)


def _mark_unbacked(tensor: Tensor, axis: int, full: int) -> None:  # noqa: ARG001
    from torch._dynamo.decorators import mark_unbacked  # noqa: PLC0415

    mark_unbacked(tensor, axis)


def _to_full(rows: int, full: int) -> int:
    return max(rows, full)


def _to_power_of_two(rows: int, full: int) -> int:
    return min(1 << (rows - 1).bit_length(), max(rows, full))


def _drop(rows: int, full: int) -> int:
    return rows if rows == full else 0


def _without_exclusion_guard(device: str) -> str | None:  # noqa: ARG001
    from torch._dynamo import config  # noqa: PLC0415

    if hasattr(config, "automatic_dynamic_exclusion_guard"):
        return None
    return f"torch {torch.__version__} has no automatic_dynamic_exclusion_guard; 2.15 has"


def _without_dynamic_shapes(device: str) -> str | None:  # noqa: ARG001
    if "dynamic_shapes" in inspect.signature(torch.compile).parameters:
        return None
    return f"torch.compile of torch {torch.__version__} has no dynamic_shapes argument; 2.15 has"


def _without_cuda(device: str) -> str | None:
    return None if device == "cuda" else "CUDA graphs need --device cuda"


def _on_cuda(device: str) -> str | None:
    return "a question of CPU kernels" if device == "cuda" else None


_FROZEN: Mapping[str, Any] = {"freezing": True, "max_autotune": True}
_FROZEN_CONFIG: Mapping[str, object] = {f"{_INDUCTOR}.freezing": True}

ARMS = (
    Arm(name="eager", mode=eager.MODE, summary="no compiler: the reference"),
    Arm(name="torchscript", mode=torchscript.MODE, summary="compiled from source, no shapes in it"),
    Arm(name="fx", mode=fx.MODE, summary="regenerated Python, no guards"),
    Arm(name="compile", summary="torch.compile as it comes: static first, dynamic at the second shape"),
    Arm(name="compile_static", summary="dynamic=False: a graph per shape", options=_static),
    Arm(name="compile_dynamic", summary="dynamic=True: symbolic from the start", options=_dynamic),
    Arm(name="mark_dynamic", summary="mark_dynamic on each batch", mark=_mark_dynamic),
    Arm(
        name="specialize_on",
        summary="mark_dynamic(specialize_on=...): a full and a general graph",
        mark=_mark_specialized,
    ),
    Arm(
        name="mark_unbacked",
        summary="mark_unbacked: one graph that may assume nothing about the size",
        mark=_mark_unbacked,
    ),
    Arm(
        name="exclusion_guard",
        summary="automatic_dynamic_exclusion_guard: full batches keep their own graph",
        config={f"{_DYNAMO}.automatic_dynamic_exclusion_guard": True},
        missing=_without_exclusion_guard,
    ),
    Arm(
        name="dynamic_shapes",
        summary="torch.compile(dynamic_shapes=...): the sizes are specified",
        options=_one_spec,
        missing=_without_dynamic_shapes,
    ),
    Arm(name="pad", summary="pad with zeros to a full batch, mask the loss", fit=_to_full),
    Arm(
        name="buckets",
        summary="pad to the next power of two, a static graph each",
        options=_static,
        fit=_to_power_of_two,
    ),
    Arm(name="drop_last", summary="leave the residual rows out", fit=_drop, kinds=(Kind.TRAINING,)),
    Arm(
        name="eager_on_recompile",
        summary="the stance of that name, once the full batch is compiled: other shapes run eager",
        stance="eager_on_recompile",
        stance_later=True,
    ),
    Arm(
        name="eager_then_compile",
        summary="the stance of that name: the first call runs eager, the second compiles",
        stance="eager_then_compile",
    ),
    Arm(
        name="frozen_static",
        summary="freezing and max_autotune, dynamic=False: prepacked matrix products",
        options=_static,
        inductor=_FROZEN,
        config=_FROZEN_CONFIG,
        kinds=(Kind.INFERENCE,),
        missing=_on_cuda,
    ),
    Arm(
        name="frozen_dynamic",
        summary="freezing and max_autotune, dynamic=True",
        options=_dynamic,
        inductor=_FROZEN,
        config=_FROZEN_CONFIG,
        kinds=(Kind.INFERENCE,),
        missing=_on_cuda,
    ),
    Arm(
        name="reduce_overhead",
        summary="mode='reduce-overhead': CUDA graphs, recorded per shape",
        inductor={"triton.cudagraphs": True},
        missing=_without_cuda,
    ),
)


def arm_named(name: str) -> Arm:
    """Find an arm.

    Raises:
        CliffError: There is none of this name.
    """
    for arm in ARMS:
        if arm.name == name:
            return arm
    raise CliffError(unknown_name("arm", name, (arm.name for arm in ARMS)))
