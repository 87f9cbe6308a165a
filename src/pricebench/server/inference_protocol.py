"""The Open Inference Protocol (KServe V2, REST), so that clients written for other servers work with this one.

Tensors as JSON, or behind it as they lie in memory (the binary tensor data extension of Triton). The specification:
github.com/kserve/open-inference-protocol. Shapes: N rows, F features.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from math import prod
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from pricebench.data import FEATURES, QUANTITIES
from pricebench.errors import printable
from pricebench.server import houses_json
from pricebench.server.answers import JSON, Answer, Header, RefusedError, as_json
from pricebench.server.price import require_prices
from pricebench.server.requests import Request
from pricebench.server.service import Service

NAME = "house-prices"
PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(ready|infer))?")
INPUT, OUTPUT = "features", "price"

_HEADER_LENGTH = b"inference-header-content-length"
_BINARY = b"application/octet-stream"
# Numbers that a house may be sent in; what is computed is float32 all the same.
_KINDS: dict[str, np.dtype[Any]] = {
    "FP64": np.dtype("<f8"),
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
    "INT32": np.dtype("<i4"),
}


class _Parameters(Struct):
    """Those that mean something here; others are allowed, and nothing."""

    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None


class _Input(Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)
    data: msgspec.Raw | UnsetType = UNSET


class _Output(Struct):
    name: str
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class _Inference(Struct):
    inputs: list[_Input]
    id: str | UnsetType = UNSET
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)
    outputs: list[_Output] | UnsetType = UNSET


_inference = msgspec.json.Decoder(_Inference)
_flat = msgspec.json.Decoder(list[float])
_nested = msgspec.json.Decoder(list[list[float]])


async def server(service: Service, request: Request) -> Answer:  # noqa: ARG001 - the signature of every endpoint
    """`GET /v2`."""
    return Answer(
        as_json({"name": "pricebench", "version": version("pricebench"), "extensions": ["binary_tensor_data"]})
    )


async def model(service: Service, request: Request) -> Answer:
    """`GET /v2/models/house-prices`."""
    serving = _serving(service, request)
    return Answer(
        as_json(
            {
                "name": NAME,
                "versions": [serving],
                "platform": f"pytorch_{service.mode}",
                "inputs": [{"name": INPUT, "datatype": "FP64", "shape": [-1, len(FEATURES)]}],
                "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, 1]}],
            }
        )
    )


async def model_ready(service: Service, request: Request) -> Answer:
    """`GET /v2/models/house-prices/ready`."""
    if service.model is None:
        return Answer(as_json({"name": NAME, "ready": False}), 503)
    _serving(service, request)
    return Answer(as_json({"name": NAME, "ready": True}))


async def infer(service: Service, request: Request) -> Answer:
    """`POST /v2/models/house-prices/infer`.

    Raises:
        RefusedError: With the status that fits.
    """
    # The protocol names no content type for requests, and clients send several; a wrong one cannot be JSON.
    body = await request.body(most_bytes=service.limits.body_bytes)
    asked_for = request.rest
    header, tensors = _split(body, request)
    asked = _decoded(header)
    rows_NF = _rows(asked, tensors, service.limits.rows)
    _require_output(asked)
    priced = await service.price(rows_NF, request.arrived)
    if asked_for and asked_for != priced.model.digest:
        raise _no_version(asked_for)
    require_prices(rows_NF, priced)
    return _answer(asked, priced.price_N.astype("<f4"), priced.model.digest)


def _serving(service: Service, request: Request) -> str:
    """The digest of what serves."""
    if service.model is None:
        raise RefusedError(503, "the model is being loaded and checked. Try again in a second.")
    digest = service.model.digest
    if request.rest and request.rest != digest:
        raise _no_version(request.rest)
    return digest


def _no_version(asked_for: str) -> RefusedError:
    return RefusedError(
        404, f"no version is called '{printable(asked_for)}'; GET /v2/models/{NAME} names the one there is."
    )


def _split(body: bytes, request: Request) -> tuple[bytes, bytes]:
    """The JSON, and the tensors behind it."""
    said = request.headers.get(_HEADER_LENGTH)
    if said is None:
        return body, b""
    if not said.isdigit() or len(said) > 9 or int(said) > len(body):
        raise RefusedError(400, "expected Inference-Header-Content-Length to be the length of the JSON in the body.")
    return body[: int(said)], body[int(said) :]


def _decoded(header: bytes) -> _Inference:
    try:
        return _inference.decode(header)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"expected an inference request, found another object: {_told(error)}.") from None
    except (msgspec.DecodeError, RecursionError):
        houses_json.read_json(header)  # says where it is none
        raise RefusedError(400, "expected JSON of an inference request, found other JSON.") from None


def _told(error: msgspec.ValidationError) -> str:
    """What a typed parser says, which names the place; nothing that was sent stands in it but names of fields."""
    return printable_line(str(error).replace("`", "'"))


def printable_line(text: str) -> str:
    """A sentence of at most 200 characters that cannot break a line."""
    return "".join(char if char.isprintable() else "?" for char in text)[:200]


def _rows(asked: _Inference, tensors: bytes, most_rows: int) -> NDArray[np.float64]:
    if len(asked.inputs) != 1 or asked.inputs[0].name != INPUT:
        names = ", ".join(f"'{printable(each.name)}'" for each in asked.inputs[:4]) or "none"
        raise RefusedError(422, f"expected one input, '{INPUT}', found {names}.")
    tensor = asked.inputs[0]
    if len(tensor.shape) != 2 or tensor.shape[1] != len(FEATURES) or tensor.shape[0] < 1:
        raise RefusedError(422, f"{INPUT} has shape {tensor.shape[:4]}, expected [houses, {len(FEATURES)}].")
    if tensor.datatype not in _KINDS:
        found = printable(tensor.datatype)
        raise RefusedError(422, f"{INPUT} has the datatype '{found}', expected one of {', '.join(_KINDS)}.")
    houses_json.require_rows(tensor.shape[0], most_rows)
    size = tensor.parameters.binary_data_size
    values_N = _from_json(tensor, tensors) if size is None else _from_memory(tensor, tensors, size)
    rows_NF = np.ascontiguousarray(values_N.reshape(tensor.shape), dtype=np.float64)
    _require_possible(rows_NF)
    return rows_NF


def _from_json(tensor: _Input, tensors: bytes) -> NDArray[np.float64]:
    if tensor.data is UNSET or tensors:
        raise RefusedError(422, f"expected the data of {INPUT} once: in the JSON, or behind it with binary_data_size.")
    raw = bytes(tensor.data)
    try:
        is_nested = raw.lstrip(b" \t\r\n[")[:1] != b"" and raw.replace(b" ", b"")[:2] == b"[["
        values_N = np.array(_nested.decode(raw) if is_nested else _flat.decode(raw), dtype=np.float64).ravel()
    except (msgspec.DecodeError, ValueError) as error:
        told = printable_line(str(error).replace("`", "'"))
        raise RefusedError(422, f"the data of {INPUT} is not a list of finite numbers: {told}.") from None
    if len(values_N) != prod(tensor.shape):
        raise RefusedError(422, f"{INPUT} has {len(values_N):,} numbers, expected {prod(tensor.shape):,} by its shape.")
    return values_N


def _from_memory(tensor: _Input, tensors: bytes, size: int) -> NDArray[Any]:
    kind = _KINDS[tensor.datatype]
    expected = prod(tensor.shape) * kind.itemsize
    if tensor.data is not UNSET or size != expected or len(tensors) != expected:
        raise RefusedError(
            422,
            f"{INPUT} has {len(tensors):,} bytes behind the JSON and binary_data_size {size:,}, expected both to be "
            f"{expected:,} by its shape and datatype, and no data in the JSON.",
        )
    return np.frombuffer(tensors, kind)


def _require_possible(rows_NF: NDArray[np.float64]) -> None:
    for quantity, column_N in zip(QUANTITIES, rows_NF.T, strict=False):
        is_missing_N = np.isnan(column_N)
        row = int(np.argmax(is_missing_N)) if is_missing_N.any() else quantity.first_wrong(column_N)
        if row is not None:
            raise RefusedError(
                422,
                f"row {row + 1}: {quantity.name} is {column_N[row]:g}, expected a finite number "
                f"{quantity.expectation}.",
            )


def _require_output(asked: _Inference) -> None:
    if asked.outputs is UNSET or not asked.outputs:
        return
    wrong = [each.name for each in asked.outputs if each.name != OUTPUT]
    if wrong or len(asked.outputs) > 1:
        raise RefusedError(422, f"expected one output, '{OUTPUT}', found '{printable((wrong or [OUTPUT])[0])}' too.")


def _answer(asked: _Inference, price_N: NDArray[np.float32], digest: str) -> Answer:
    is_binary = bool(asked.parameters.binary_data_output)
    if asked.outputs is not UNSET and asked.outputs and asked.outputs[0].parameters.binary_data is not None:
        is_binary = asked.outputs[0].parameters.binary_data
    output: dict[str, Any] = {"name": OUTPUT, "datatype": "FP32", "shape": [len(price_N), 1]}
    tensors = price_N.tobytes() if is_binary else b""
    if is_binary:
        output["parameters"] = {"binary_data_size": len(tensors)}
    else:
        output["data"] = price_N.tolist()
    answer: dict[str, Any] = {"model_name": NAME, "model_version": digest, "outputs": [output]}
    if asked.id is not UNSET:
        answer["id"] = asked.id
    header = as_json(answer)
    headers: tuple[Header, ...] = ((_HEADER_LENGTH, b"%d" % len(header)),) if is_binary else ()
    kind = _BINARY if is_binary else JSON
    return Answer(header + tensors, content_type=kind, headers=headers, num_houses=len(price_N))
