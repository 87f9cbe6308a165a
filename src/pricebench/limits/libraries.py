"""The libraries that multiply matrices here, each called the way that lets it be fastest for weights that stay.

Shapes: M rows, K inner, N columns; `(M, K) @ (K, N)`, the second factor a weight that may be prepared once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pricebench.inputs import Inputs
from pricebench.limits.records import Precision, Product
from pricebench.matmul import precision
from pricebench.modes import packages, toolchain
from pricebench.modes.flat import Flat
from pricebench.transforms.bfloat16 import missing as _bfloat16_missing
from pricebench.transforms.fuse_linear_relu import missing as _onednn_missing

Multiply: TypeAlias = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """What is multiplied: values that every precision of a library holds exactly are not needed, the error is measured.

    Attributes:
        x_MK: float32, standard normal; for int8 whole numbers.
        w_KN: The same.
    """

    x_MK: NDArray[np.float32]
    w_KN: NDArray[np.float32]

    @classmethod
    def of(cls, product: Product, precision: Precision, seed: int) -> Operands:
        """Draw them."""
        random = np.random.default_rng(seed)
        shapes = (product.rows, product.inner), (product.inner, product.columns)
        if precision is Precision.INT8:
            # Six bits: without VNNI some kernels add two products in 16 bits, which eight would overflow.
            return cls(
                x_MK=random.integers(0, 64, shapes[0]).astype(np.float32),
                w_KN=random.integers(-64, 64, shapes[1]).astype(np.float32),
            )
        return cls(
            x_MK=random.standard_normal(shapes[0], dtype=np.float32),
            w_KN=random.standard_normal(shapes[1], dtype=np.float32),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """One way to multiply.

    Attributes:
        name: A key of reports: it does not change.
        precision: Of the inputs.
        advice: What a user sets or calls to have it.
        version: Of the library.
        missing: Why it cannot be used here, or None.
        prepare: Operands and threads -> a call that returns the product.
        compiles: For seconds, for each product, when it prepares.
        setting: Around calls.
    """

    name: str
    precision: Precision
    advice: str
    version: Callable[[], str]
    missing: Callable[[], str | None]
    prepare: Callable[[Operands, int], Multiply]
    compiles: bool = False
    setting: Callable[[], AbstractContextManager[Any]] = nullcontext


# ---- torch's own ---------------------------------------------------------------------------------------------------


def _torch_version() -> str:
    return torch.__version__


def _never_missing() -> None:
    return None


def _mm(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001 - torch's own threads are set for all
    x_MK, w_NK = torch.from_numpy(operands.x_MK), torch.from_numpy(operands.w_KN).T.contiguous()
    y_MN = torch.empty(len(x_MK), len(w_NK))
    return lambda: torch.mm(x_MK, w_NK.T, out=y_MN)


def _onednn(dtype: torch.dtype) -> Callable[[Operands, int], Multiply]:
    def prepare(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001
        x_MK = torch.from_numpy(operands.x_MK).to(dtype)
        w_NK = torch.from_numpy(operands.w_KN).T.contiguous().to(dtype)
        packed = torch.ops.mkldnn._reorder_linear_weight(w_NK, len(x_MK))  # noqa: SLF001
        linear = torch.ops.mkldnn._linear_pointwise.default  # noqa: SLF001
        return lambda: linear(x_MK, packed, None, "none", [], "")

    return prepare


def _mm_bfloat16(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001
    x_MK = torch.from_numpy(operands.x_MK).bfloat16()
    w_NK = torch.from_numpy(operands.w_KN).T.contiguous().bfloat16()
    return lambda: torch.mm(x_MK, w_NK.T)


def _mkl_missing() -> str | None:
    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return "this build of torch has no MKL"
    return None if hasattr(torch.ops.mkl, "_mkl_linear") else "torch has no mkl._mkl_linear"


def _mkl_packed(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001
    x_MK, w_NK = torch.from_numpy(operands.x_MK), torch.from_numpy(operands.w_KN).T.contiguous()
    packed = torch.ops.mkl._mkl_reorder_linear_weight(w_NK, len(x_MK))  # noqa: SLF001
    linear = torch.ops.mkl._mkl_linear.default  # noqa: SLF001
    return lambda: linear(x_MK, packed, w_NK, None, len(x_MK))


def _int_mm(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001
    x_MK, w_KN = torch.from_numpy(operands.x_MK).to(torch.int8), torch.from_numpy(operands.w_KN).to(torch.int8)
    return lambda: torch._int_mm(x_MK, w_KN)  # noqa: SLF001 - documented by torchao, which calls it


def _qlinear_missing() -> str | None:
    if reason := _onednn_missing():
        return reason
    return None if hasattr(torch.ops.onednn, "qlinear_pointwise") else "torch has no onednn.qlinear_pointwise"


def _qlinear(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001
    x_MK = torch.from_numpy(operands.x_MK).to(torch.uint8)
    w_NK = torch.from_numpy(operands.w_KN).T.contiguous().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(w_NK, list(x_MK.shape))
    ones, zeros = torch.ones(len(w_NK)), torch.zeros(len(w_NK), dtype=torch.int32)
    linear = torch.ops.onednn.qlinear_pointwise.default
    return lambda: linear(x_MK, 1.0, 0, packed, ones, zeros, None, 1.0, 0, torch.float32, "none", [], "")


def _inductor(dtype: torch.dtype) -> Callable[[Operands, int], Multiply]:
    """Packages of its own C++ templates, as `aot` makes them for few rows."""

    def prepare(operands: Operands, threads: int) -> Multiply:  # noqa: ARG001
        inner, columns = operands.w_KN.shape
        # What was made in inference mode cannot be exported.
        with torch.inference_mode(mode=False), torch.no_grad():
            layer = nn.Linear(inner, columns, bias=False, dtype=dtype)
            x_MK = torch.from_numpy(operands.x_MK).to(dtype)
            layer.weight.copy_(torch.from_numpy(operands.w_KN).T)
            run = packages.load(packages.package_of(packages.exported(Flat(layer, Inputs.of(x_MK))), own_kernels=True))
        return lambda: run([x_MK])[0]

    return prepare


def _inductor_bfloat16_missing() -> str | None:
    return _bfloat16_missing() or toolchain.missing()


# ---- others --------------------------------------------------------------------------------------------------------


def _installed(package: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        try:
            version(package)
        except PackageNotFoundError:
            return f"{package} is not installed"
        return None

    return missing


def _version_of(package: str) -> Callable[[], str]:
    return lambda: version(package)


def _numpy(operands: Operands, threads: int) -> Multiply:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - only where limits are measured

    y_MN = np.empty((len(operands.x_MK), operands.w_KN.shape[1]), dtype=np.float32)
    threadpool_limits(threads, user_api="blas")
    return lambda: np.matmul(operands.x_MK, operands.w_KN, out=y_MN)


def _onnx_model(operands: Operands) -> bytes:
    """One MatMul with a constant second factor."""
    import onnx  # noqa: PLC0415

    weight = onnx.numpy_helper.from_array(operands.w_KN, "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node],
        "product",
        [onnx.helper.make_tensor_value_info("x", float32, operands.x_MK.shape)],
        [onnx.helper.make_tensor_value_info("y", float32, (len(operands.x_MK), operands.w_KN.shape[1]))],
        [weight],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


def _onnx_missing(package: str) -> Callable[[], str | None]:
    return lambda: _installed(package)() or _installed("onnx")()


def _onnxruntime(operands: Operands, threads: int) -> Multiply:
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(_onnx_model(operands), options, providers=["CPUExecutionProvider"])
    # Bound to memory that stays: nothing is copied or allocated in a call.
    x_MK, y_MN = (
        onnxruntime.OrtValue.ortvalue_from_numpy(array)
        for array in (operands.x_MK, np.empty((len(operands.x_MK), operands.w_KN.shape[1]), dtype=np.float32))
    )
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", x_MK)
    binding.bind_ortvalue_output("y", y_MN)

    def multiply() -> Any:
        session.run_with_iobinding(binding)
        return y_MN

    return multiply


def _openvino(operands: Operands, threads: int) -> Multiply:
    import openvino  # noqa: PLC0415
    from openvino.properties import hint, inference_num_threads  # noqa: PLC0415

    settings = {
        hint.performance_mode(): hint.PerformanceMode.LATENCY,
        hint.inference_precision(): openvino.Type.f32,
        inference_num_threads(): threads,
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(_onnx_model(operands)), "CPU", settings).create_infer_request()
    request.set_tensor("x", openvino.Tensor(operands.x_MK, shared_memory=True))

    def multiply() -> Any:
        request.infer()
        return request.get_tensor("y").data

    return multiply


def as_float64(result: Any) -> NDArray[np.float64]:
    """A library's product as an array."""
    if isinstance(result, Tensor):
        return result.to(torch.float64).numpy()
    found: NDArray[np.float64] = (result.numpy() if hasattr(result, "numpy") else np.asarray(result)).astype(np.float64)
    return found


LIBRARIES = (
    Library(
        name="torch.mm",
        precision=Precision.FLOAT32,
        advice="what torch does as it is shipped",
        version=_torch_version,
        missing=_never_missing,
        prepare=_mm,
    ),
    Library(
        name="torch.mm, medium",
        precision=Precision.FLOAT32,
        advice='torch.set_float32_matmul_precision("medium"), for the whole process',
        version=_torch_version,
        missing=_onednn_missing,
        prepare=_mm,
        setting=partial(precision, "medium"),
    ),
    Library(
        name="oneDNN, packed",
        precision=Precision.FLOAT32,
        advice="--mode aot, or --transforms fuse_linear_relu",
        version=_torch_version,
        missing=_onednn_missing,
        prepare=_onednn(torch.float32),
    ),
    Library(
        name="MKL, packed",
        precision=Precision.FLOAT32,
        advice="torch.compile with freezing",
        version=_torch_version,
        missing=_mkl_missing,
        prepare=_mkl_packed,
    ),
    Library(
        name="Inductor",
        precision=Precision.FLOAT32,
        advice="--mode aot, which takes it for up to 128 rows",
        version=_torch_version,
        missing=toolchain.missing,
        prepare=_inductor(torch.float32),
        compiles=True,
    ),
    Library(
        name="NumPy",
        precision=Precision.FLOAT32,
        advice="numpy.matmul",
        version=_version_of("numpy"),
        missing=_installed("threadpoolctl"),
        prepare=_numpy,
    ),
    Library(
        name="ONNX Runtime",
        precision=Precision.FLOAT32,
        advice="--mode onnxruntime",
        version=_version_of("onnxruntime"),
        missing=_onnx_missing("onnxruntime"),
        prepare=_onnxruntime,
    ),
    Library(
        name="OpenVINO",
        precision=Precision.FLOAT32,
        advice="OpenVINO, on a model from --mode onnx",
        version=_version_of("openvino"),
        missing=_onnx_missing("openvino"),
        prepare=_openvino,
    ),
    Library(
        name="torch.mm, bfloat16",
        precision=Precision.BFLOAT16,
        advice="model.bfloat16()",
        version=_torch_version,
        missing=_bfloat16_missing,
        prepare=_mm_bfloat16,
    ),
    Library(
        name="oneDNN, packed, bfloat16",
        precision=Precision.BFLOAT16,
        advice="--transforms bfloat16",
        version=_torch_version,
        missing=_bfloat16_missing,
        prepare=_onednn(torch.bfloat16),
    ),
    Library(
        name="Inductor, bfloat16",
        precision=Precision.BFLOAT16,
        advice="--mode aot --transforms bfloat16, for up to 128 rows",
        version=_torch_version,
        missing=_inductor_bfloat16_missing,
        prepare=_inductor(torch.bfloat16),
        compiles=True,
    ),
    Library(
        name="torch._int_mm",
        precision=Precision.INT8,
        advice="torchao's dynamic quantisation",
        version=_torch_version,
        missing=_never_missing,
        prepare=_int_mm,
    ),
    Library(
        name="oneDNN, packed, int8",
        precision=Precision.INT8,
        advice="--transforms int8",
        version=_torch_version,
        missing=_qlinear_missing,
        prepare=_qlinear,
    ),
)
