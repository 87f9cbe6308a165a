"""ONNX Runtime: torch.export captures the module, torch.onnx writes the graph, a session of another library runs it.

All of that takes seconds and happens when it is prepared. A call then runs any size of the axes that torch.export
leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import torch
from torch import Tensor, nn

from pricebench.errors import ModeError
from pricebench.extras import absent
from pricebench.inputs import Inputs
from pricebench.modes.base import ExecutionMode, Forward
from pricebench.modes.onnx_graph import cannot, exported, name_inputs, text
from pricebench.modes.portable import SAYS_FILE, Portable

if TYPE_CHECKING:
    import onnxruntime as ort

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_NOT_IN_NUMPY = ("bfloat16", "float8", "float4", "int4")


def _build(module: nn.Module, inputs: Inputs) -> Forward:
    flat, written = exported(module, inputs)
    try:
        run = _runner(_session(written.SerializeToString()))
    except ModeError:
        raise
    # An operator that it lacks for this precision is a class of its own; a model beyond 2 GiB is protobuf's error.
    except Exception as error:
        raise cannot(module, error) from error
    if flat.maps_tensor_to_tensor:
        return lambda x: run([x])[0]
    return lambda *args, **kwargs: flat.answer(run(flat.read(args, kwargs)))


def _save(module: nn.Module, example: Inputs, sizes: Sequence[int], file: IO[bytes], says: str) -> None:  # noqa: ARG001
    """Write the graph, its inputs called as the module's parameters; any number of rows is as quick as it can be."""
    _, written = exported(module, example)
    name_inputs(written, module)
    written.metadata_props.add(key=SAYS_FILE, value=says)
    file.write(written.SerializeToString())


def _load(path: Path) -> Forward:
    run = _runner(_session(path))
    return lambda *tensors: run(list(tensors))[0]


def _says(path: Path) -> str | None:
    import onnx  # noqa: PLC0415 - an extra

    try:
        written = onnx.load(path, load_external_data=False)
    except OSError:
        raise
    # protobuf's own, which onnx hands on without naming it.
    except Exception:
        return None
    return next((str(entry.value) for entry in written.metadata_props if entry.key == SAYS_FILE), None)


def _session(written: bytes | Path) -> ort.InferenceSession:
    import onnxruntime  # noqa: PLC0415 - an extra, and a tenth of a second

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])


def _runner(session: ort.InferenceSession) -> Callable[[list[Tensor]], list[Tensor]]:
    """A call of the graph, of tensors to tensors."""
    names = [given.name for given in session.get_inputs()]
    answers = [answer.name for answer in session.get_outputs()]
    for each in (*session.get_inputs(), *session.get_outputs()):
        if any(precision in each.type for precision in _NOT_IN_NUMPY):
            raise ModeError(
                f"onnxruntime cannot take a model with a {each.type}: tensors go to it as NumPy arrays, which know "
                "none. Use another mode."
            )

    def run(tensors: list[Tensor]) -> list[Tensor]:
        # Not I/O binding: two times slower for one row and no faster for two million numbers, for no output is copied
        # here either (docs/log.md). `force` also takes views that NumPy has not.
        feed = {name: tensor.numpy(force=True) for name, tensor in zip(names, tensors, strict=True)}
        return [torch.from_numpy(array) for array in session.run(answers, feed)]

    return run


MODE = ExecutionMode(
    name="onnxruntime",
    summary="exported to an ONNX graph ahead of time, weights inside; another library runs it, without Python",
    needs_python=False,
    trains=False,
    records_gradients=False,
    needs=f"the packages {', '.join(_PACKAGES)}; a module that torch.export and ONNX can express",
    missing=lambda: absent(*_PACKAGES),
    build=_build,
    code=text,
    portable=Portable(suffix=".onnx", save=_save, load=_load, says=_says, is_data=True),
)
