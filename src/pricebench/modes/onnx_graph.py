"""A module as a graph of ONNX: torch.export captures it, torch.onnx writes it, axes are open where that is possible."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree  # PyTorch has no public name for it before 2.16

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import reason_of
from pricebench.modes.silence import torch_silenced

if TYPE_CHECKING:
    from onnx import ModelProto

_SHAPE_LIKE = 16  # elements; whole numbers up to so many are shapes and axes, which belong to the graph


@dataclass(slots=True)
class _Answer:
    """The pytree of an output: its leaves, with `Tensor` where one is, and their places. No pytree itself."""

    leaves: list[Any] = field(default_factory=list)
    places: pytree.TreeSpec | None = None


class Flat(nn.Module):
    """The module as a function of tensors that gives tensors: ONNX knows no pytree, and constants become the graph's.

    Attributes:
        answer: Of the last call.
    """

    def __init__(self, module: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.module = module
        self._leaves, self._places = _flattened(inputs.args, inputs.kwargs)
        # Written to, never assigned: torch.export undoes assignments.
        self.answer = _Answer()

    def tensors(self) -> tuple[Tensor, ...]:
        """The arguments of this module's own call, for the inputs that it was made of."""
        return tuple(leaf for leaf in self._leaves if isinstance(leaf, Tensor))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors in the order of the leaves, to the output's."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self._places)
        answers, self.answer.places = pytree.tree_flatten(self.module(*args, **kwargs))
        self.answer.leaves = [Tensor if isinstance(leaf, Tensor) else leaf for leaf in answers]
        return tuple(leaf for leaf in answers if isinstance(leaf, Tensor))

    def read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        """The tensors of a call.

        Raises:
            ModeError: It differs from the example in more than sizes and values of tensors.
        """
        leaves, places = _flattened(args, kwargs)
        if places != self._places:
            raise ModeError("onnxruntime was prepared for arguments of another structure. Prepare it for these too.")
        for leaf, prepared in zip(leaves, self._leaves, strict=True):
            if not isinstance(prepared, Tensor) and leaf != prepared:
                raise ModeError(f"onnxruntime was prepared for {prepared!r}, found {leaf!r}. Prepare it for this too.")
        return [leaf for leaf, prepared in zip(leaves, self._leaves, strict=True) if isinstance(prepared, Tensor)]


def _flattened(args: tuple[Any, ...], kwargs: Any) -> tuple[list[Any], pytree.TreeSpec]:
    """Keywords in the order of their names: whoever calls may give them in any."""
    return pytree.tree_flatten((args, dict(sorted(kwargs.items()))))


def exported(module: nn.Module, inputs: Inputs) -> tuple[Flat, ModelProto]:
    """The graph, with axes open where that is possible.

    Raises:
        ModeError: The module cannot be exported.
    """
    flat = Flat(module, inputs)
    tensors = flat.tensors()
    for device in {tensor.device.type for tensor in (*tensors, *module.parameters())} - {"cpu"}:
        raise ModeError(f"onnxruntime runs on the CPU here, found a tensor on {device}. Use another mode.")
    try:
        with torch_silenced():
            program = _program(flat, tensors)
            written = torch.onnx.export(program, dynamo=True, verbose=False)
            assert written is not None
            graph = written.model_proto
            assert written.exported_program is not None
    # The module's own code runs on symbolic values and may raise anything, and the exporter where ONNX has no operator.
    except Exception as error:
        raise cannot(module, error) from error
    # Not of `program`: what a call changes is known once it is decomposed.
    signature = written.exported_program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        raise ModeError(
            f"onnxruntime cannot take {type(module).__name__}: a call changes its inputs or buffers, which a graph of "
            "ONNX cannot. Use another mode."
        )
    return flat, graph


def _program(flat: Flat, tensors: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    rows = {tensor.shape[0] for tensor in tensors if tensor.ndim}
    if rows != {1}:
        return _opened(flat, tensors)
    # Ones are never left open: a batch of one is exported as a batch of two, where the module takes that.
    try:
        return _opened(flat, tuple(torch.cat((tensor, tensor)) if tensor.ndim else tensor for tensor in tensors))
    except Exception:
        return _opened(flat, tensors)


def _opened(flat: Flat, tensors: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    axes = tuple(dict.fromkeys(range(tensor.ndim), torch.export.Dim.AUTO) for tensor in tensors)
    return torch.export.export(flat, tensors, dynamic_shapes=(axes,))


def cannot(module: nn.Module, error: Exception) -> ModeError:
    """What is said where a module cannot be exported, or its graph not run."""
    # The exporter's own message is a list of what it tried; the first cause says why.
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    return ModeError(f"onnxruntime cannot take {type(module).__name__}: {reason_of(cause)}. Use another mode.")


def text(module: nn.Module, inputs: Inputs) -> str:
    """The graph as text, with the names and shapes of the weights, and without their numbers."""
    import onnx.printer  # noqa: PLC0415 - an extra
    from onnx import TensorProto  # noqa: PLC0415

    _, written = exported(copy.deepcopy(module).eval(), inputs)
    for weight in written.graph.initializer:
        if weight.data_type != TensorProto.INT64 or len(weight.raw_data) > 8 * _SHAPE_LIKE:
            weight.ClearField("raw_data")
            # The printer refuses a weight that is nowhere.
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value="weights")
    text: str = onnx.printer.to_text(written)
    return text.strip()


def name_inputs(written: ModelProto, module: nn.Module) -> None:
    """Call the inputs as the parameters of the module's `forward`, and a lone output `output`."""
    names = dict(
        zip((given.name for given in written.graph.input), inspect.signature(module.forward).parameters, strict=False)
    )
    if len(written.graph.output) == 1:
        names[written.graph.output[0].name] = "output"
    for value in (*written.graph.input, *written.graph.output):
        value.name = names.get(value.name, value.name)
        for axis in value.type.tensor_type.shape.dim:
            # An axis that export found to be fixed is called by its number.
            if axis.dim_param.isdecimal():
                axis.dim_value = int(axis.dim_param)
    for node in written.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
