"""ONNX Runtime: torch.export captures the module, torch.onnx writes the graph, a session of another library runs it.

All of that takes seconds and happens when it is prepared. A call then runs any size of the axes that torch.export
leaves open.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree  # PyTorch has no public name for it before 2.16

from pricebench.errors import ModeError
from pricebench.extras import absent
from pricebench.inputs import Inputs
from pricebench.modes.base import ExecutionMode, Forward, reason_of

if TYPE_CHECKING:
    from onnx import ModelProto

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_SHAPE_LIKE = 16  # elements; whole numbers up to so many are shapes and axes, which belong to the graph
_NOT_IN_NUMPY = ("bfloat16", "float8", "float4", "int4")


@dataclass(slots=True)
class _Answer:
    """The pytree of an output: its leaves, with `Tensor` where one is, and their places. No pytree itself."""

    leaves: list[Any] = field(default_factory=list)
    places: pytree.TreeSpec | None = None


class _Flat(nn.Module):
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


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep torch's log, warnings and prints to itself while it exports: what matters of them is in the exception."""
    # Among them "torchvision is not installed", which every export says, and pages of traces before it fails.
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "torch"]
    handlers = {handler for name in names for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        handler.addFilter(_refuse)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_refuse)


def _refuse(record: logging.LogRecord) -> bool:  # noqa: ARG001 - the signature of a filter
    return False


def _exported(module: nn.Module, inputs: Inputs) -> tuple[_Flat, ModelProto]:
    """The graph, with axes open where that is possible.

    Raises:
        ModeError: The module cannot be exported.
    """
    flat = _Flat(module, inputs)
    tensors = flat.tensors()
    for device in {tensor.device.type for tensor in (*tensors, *module.parameters())} - {"cpu"}:
        raise ModeError(f"onnxruntime runs on the CPU here, found a tensor on {device}. Use another mode.")
    try:
        with _silenced():
            program = _program(flat, tensors)
            written = torch.onnx.export(program, dynamo=True, verbose=False)
            assert written is not None
            graph = written.model_proto
            assert written.exported_program is not None
    # The module's own code runs on symbolic values and may raise anything, and the exporter where ONNX has no operator.
    except Exception as error:
        raise _cannot(module, error) from error
    # Not of `program`: what a call changes is known once it is decomposed.
    signature = written.exported_program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        raise ModeError(
            f"onnxruntime cannot take {type(module).__name__}: a call changes its inputs or buffers, which a graph of "
            "ONNX cannot. Use another mode."
        )
    return flat, graph


def _program(flat: _Flat, tensors: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    rows = {tensor.shape[0] for tensor in tensors if tensor.ndim}
    if rows != {1}:
        return _opened(flat, tensors)
    # Ones are never left open: a batch of one is exported as a batch of two, where the module takes that.
    try:
        return _opened(flat, tuple(torch.cat((tensor, tensor)) if tensor.ndim else tensor for tensor in tensors))
    except Exception:
        return _opened(flat, tensors)


def _opened(flat: _Flat, tensors: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    axes = tuple(dict.fromkeys(range(tensor.ndim), torch.export.Dim.AUTO) for tensor in tensors)
    return torch.export.export(flat, tensors, dynamic_shapes=(axes,))


def _cannot(module: nn.Module, error: Exception) -> ModeError:
    # The exporter's own message is a list of what it tried; the first cause says why.
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    return ModeError(f"onnxruntime cannot take {type(module).__name__}: {reason_of(cause)}. Use another mode.")


def _build(module: nn.Module, inputs: Inputs) -> Forward:
    flat, written = _exported(module, inputs)
    run = _session(module, written)
    answer, places = flat.answer.leaves, flat.answer.places
    assert places is not None, "export ran the module"
    if answer == [Tensor] and places.is_leaf() and not inputs.kwargs and list(map(type, inputs.args)) == [Tensor]:
        return lambda x: run([x])[0]

    def forward(*args: Any, **kwargs: Any) -> Any:
        found = iter(run(flat.read(args, kwargs)))
        return pytree.tree_unflatten([next(found) if leaf is Tensor else leaf for leaf in answer], places)

    return forward


def _session(module: nn.Module, written: ModelProto) -> Callable[[list[Tensor]], list[Tensor]]:
    """A call of the graph, of tensors to tensors."""
    import onnxruntime  # noqa: PLC0415 - an extra, and a tenth of a second

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(written.SerializeToString(), options, providers=["CPUExecutionProvider"])
    # An operator that it lacks for this precision is a class of its own; a model beyond 2 GiB is protobuf's error.
    except Exception as error:
        raise _cannot(module, error) from error
    names = [given.name for given in session.get_inputs()]
    answers = [answer.name for answer in session.get_outputs()]
    for each in (*session.get_inputs(), *session.get_outputs()):
        if any(precision in each.type for precision in _NOT_IN_NUMPY):
            raise ModeError(
                f"onnxruntime cannot take {type(module).__name__}: tensors go to it as NumPy arrays, which know no "
                f"{each.type}. Use another mode."
            )

    def run(tensors: list[Tensor]) -> list[Tensor]:
        # Not I/O binding: two times slower for one row and no faster for two million numbers, for no output is copied
        # here either (docs/log.md). `force` also takes views that NumPy has not.
        feed = {name: tensor.numpy(force=True) for name, tensor in zip(names, tensors, strict=True)}
        return [torch.from_numpy(array) for array in session.run(answers, feed)]

    return run


def _code(module: nn.Module, inputs: Inputs) -> str:
    """The graph as text, with the names and shapes of the weights, and without their numbers."""
    import onnx.printer  # noqa: PLC0415 - an extra
    from onnx import TensorProto  # noqa: PLC0415

    _, written = _exported(copy.deepcopy(module).eval(), inputs)
    for weight in written.graph.initializer:
        if weight.data_type != TensorProto.INT64 or len(weight.raw_data) > 8 * _SHAPE_LIKE:
            weight.ClearField("raw_data")
    text: str = onnx.printer.to_text(written)
    return text.strip()


MODE = ExecutionMode(
    name="onnxruntime",
    summary="exported to an ONNX graph ahead of time, weights inside; another library runs it, without Python",
    needs_python=False,
    trains=False,
    needs=f"the packages {', '.join(_PACKAGES)}; a module that torch.export and ONNX can express",
    missing=lambda: absent(*_PACKAGES),
    build=_build,
    code=_code,
)
