"""A module as a graph of ONNX: torch.export captures it, torch.onnx writes it, axes are open where that is possible."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import reason_of
from pricebench.modes.flat import Flat
from pricebench.modes.silence import torch_silenced

if TYPE_CHECKING:
    from onnx import ModelProto

_SHAPE_LIKE = 16  # elements; whole numbers up to so many are shapes and axes, which belong to the graph


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
