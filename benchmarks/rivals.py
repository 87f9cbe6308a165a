"""What else prices a house in process: other libraries, each used as its own documentation advises.

Raw float64 features to dollars, `(N, F)` to `(N,)`, as our predictor: the whole way is one ONNX file that both read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES
from pricebench.serving.predictor import Pricer

Price: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float32]]


def write_onnx(artifacts: Artifacts, path: Path) -> None:
    """Write the whole way from raw features to dollars, for any number of rows."""
    pricer = Pricer(artifacts).eval()
    example = torch.zeros(2, len(FEATURES), dtype=torch.float64)
    torch.onnx.export(
        pricer,
        (example,),
        path,
        input_names=["x"],
        output_names=["price"],
        dynamic_shapes={"x": {0: torch.export.Dim.DYNAMIC}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def onnxruntime_price(path: Path) -> Price:
    """One session for all calls, all optimisations of the graph, `session.run` with a NumPy array."""
    import onnxruntime  # noqa: PLC0415 - only where it is measured

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x_NF: session.run(None, {"x": x_NF})[0][:, 0]


def openvino_price(path: Path) -> Price:
    """One request for all calls, with the hint for latency and float32; inputs are shared, and outputs are copies."""
    import openvino  # noqa: PLC0415 - only where it is measured
    from openvino.properties import hint, inference_num_threads  # noqa: PLC0415

    settings = {
        hint.performance_mode(): hint.PerformanceMode.LATENCY,
        hint.inference_precision(): openvino.Type.f32,
        inference_num_threads(): torch.get_num_threads(),
    }
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    return lambda x_NF: request.infer({"x": x_NF}, share_inputs=True)["price"][:, 0]


RIVALS: dict[str, Callable[[Path], Price]] = {"onnxruntime": onnxruntime_price, "openvino": openvino_price}
