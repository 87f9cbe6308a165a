"""What the rivals share: the question and the answer as pydantic models, and the two ways to a price."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmarks.serving.rivals.names import ARTIFACTS, ONNX_FILE
from pricebench.data import FEATURES
from pricebench.serving import Predictor

Predict = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class House(BaseModel):
    """One house."""

    income: float
    house_age: float
    rooms: float
    bedrooms: float
    population: float


class Houses(BaseModel):
    """Many."""

    houses: list[House]


class Price(BaseModel):
    """Of one house, in dollars."""

    price: float


class Prices(BaseModel):
    """Of many, in their order."""

    prices: list[float]


def rows_of(houses: Sequence[House]) -> NDArray[np.float64]:
    """Raw features, `(N, F)`."""
    return np.array([[getattr(house, name) for name in FEATURES] for house in houses])


def eager() -> Predict:
    """PyTorch as it is, with one thread for the one core."""
    torch.set_num_threads(1)
    return Predictor.load(Path(os.environ[ARTIFACTS])).predict


def onnx_runtime() -> Predict:
    """The same model in ONNX Runtime, with one thread."""
    import onnxruntime  # noqa: PLC0415 - only one of the rivals has it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.environ[ONNX_FILE], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(x_NF: NDArray[np.float64]) -> NDArray[np.float64]:
        return session.run(None, {name: x_NF})[0][:, 0]

    return predict
