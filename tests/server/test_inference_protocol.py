from __future__ import annotations

import json

import numpy as np
import pytest
from tritonclient import http

from pricebench.data import make_houses
from tests.serving import exact_dollars, untrained_artifacts

NAME = "house-prices"
INFER = f"/v2/models/{NAME}/infer"
HOUSES_NF = make_houses(50, seed=11).features_NF
DIGEST = untrained_artifacts().stats.model_digest


@pytest.fixture
def client(server):
    host, port = server.address
    client = http.InferenceServerClient(f"{host}:{port}")
    yield client
    client.close()


def asked(rows_NF, kind="FP64", dtype=np.float64, *, is_binary):
    tensor = http.InferInput("features", list(rows_NF.shape), kind)
    tensor.set_data_from_numpy(rows_NF.astype(dtype), binary_data=is_binary)
    return [tensor]


def is_float64s(price_N, rows_NF):
    exact_N, tolerance_N = exact_dollars(untrained_artifacts(), rows_NF)
    return (np.abs(price_N - exact_N) <= tolerance_N).all()


# ---- a public client -----------------------------------------------------------------------------------------------


def test_a_public_client_finds_the_server_and_the_model(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, DIGEST)
    assert not client.is_model_ready(NAME, "1")
    assert not client.is_model_ready("another")
    assert client.get_server_metadata()["name"] == "pricebench"
    metadata = client.get_model_metadata(NAME)
    assert metadata["versions"] == [DIGEST]
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 5]}]


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("is_answer_binary", [True, False, None])
def test_a_public_client_gets_prices_however_tensors_are_sent(client, is_binary, is_answer_binary):
    outputs = None if is_answer_binary is None else [http.InferRequestedOutput("price", binary_data=is_answer_binary)]

    result = client.infer(NAME, asked(HOUSES_NF, is_binary=is_binary), outputs=outputs, request_id="seven")

    assert is_float64s(result.as_numpy("price")[:, 0], HOUSES_NF)
    assert result.as_numpy("price").dtype == np.float32
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == (NAME, DIGEST, "seven")


@pytest.mark.parametrize(("kind", "dtype"), [("FP32", np.float32), ("INT64", np.int64), ("INT32", np.int32)])
def test_other_numbers_are_taken(client, kind, dtype):
    rows_NF = np.round(HOUSES_NF)

    result = client.infer(NAME, asked(rows_NF, kind, dtype, is_binary=True))

    assert is_float64s(result.as_numpy("price")[:, 0], rows_NF.astype(dtype).astype(np.float64))


def test_a_public_client_is_told_what_is_wrong(client):
    rows_NF = HOUSES_NF[:3].copy()
    rows_NF[1, 2] = np.inf

    with pytest.raises(http.InferenceServerException, match=r"row 2: rooms is inf, expected a finite number above 0"):
        client.infer(NAME, asked(rows_NF, is_binary=True))


# ---- what is sent by hand ------------------------------------------------------------------------------------------

HOUSE = [68_000, 6, 7, 4, 36_000]


def inference(**fields):
    tensor = {"name": "features", "shape": [1, 5], "datatype": "FP64", "data": HOUSE} | fields
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


def ask(desk, body, **headers):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return desk.ask(("POST", INFER, sent, {"content-type": "application/json"} | headers))[0]


def test_nested_and_flat_data_are_the_same(desk):
    flat = ask(desk, inference(shape=[2, 5], data=HOUSE * 2))
    nested = ask(desk, inference(shape=[2, 5], data=[HOUSE, HOUSE]))

    assert flat.status == 200
    assert flat.body == nested.body
    assert flat.body["outputs"][0]["shape"] == [2, 1]


def test_the_version_in_the_path_must_be_the_one_that_answers(desk):
    right = desk.ask(("POST", f"/v2/models/{NAME}/versions/{DIGEST}/infer", json.dumps(inference()).encode(), {}))[0]
    wrong = desk.ask(("POST", f"/v2/models/{NAME}/versions/1/infer", json.dumps(inference()).encode(), {}))[0]

    assert right.status == 200
    assert (wrong.status, "no version is called '1'" in wrong.body["error"]) == (404, True)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "empty body"),
        (b"{", 400, "expected JSON"),
        (b"[" * 9_000, 422, "expected an inference request"),
        (b"\xff", 400, "UTF-8"),
        ({}, 422, "missing required field 'inputs'"),
        ([], 422, "Expected 'object'"),
        ({"inputs": []}, 422, "expected one input, 'features', found none"),
        ({"inputs": inference()["inputs"] * 2}, 422, "found 'features', 'features'"),
        (inference(name="x\n"), 422, "found 'x?'"),
        (inference(shape=[5]), 422, "shape [5], expected [houses, 5]"),
        (inference(shape=[1, 4]), 422, "shape [1, 4], expected [houses, 5]"),
        (inference(shape=[0, 5], data=[]), 422, "shape [0, 5], expected"),
        (inference(shape=[-1, 5]), 422, "shape [-1, 5], expected"),
        (inference(shape=[10**30, 5]), 413, "expected at most 100 houses"),
        (inference(shape=[10**15, 5]), 413, "expected at most 100 houses"),
        (inference(shape=[2, 5]), 422, "has 5 numbers, expected 10 by its shape"),
        (inference(datatype="BYTES"), 422, "datatype 'BYTES', expected one of FP64"),
        (inference(data=None), 422, "expected the data of features once"),
        (inference(data="x"), 422, "not a list of finite numbers"),
        (inference(data=[[68_000, 6], [7, 4, 36_000]]), 422, "not a list of finite numbers"),
        (inference(data=[["x"]]), 422, "not a list of finite numbers"),
        (inference(data=[68_000, 6, -7, 4, 36_000]), 422, "row 1: rooms is -7, expected a finite number above 0"),
        (inference(data=[68_000, 6, 7, 4, 1e300]), 422, "row 1: population is 1e+300, too large"),
        (json.dumps(inference()).replace("68000", "NaN").encode(), 400, "JSON"),
        (json.dumps(inference()).replace("68000", "1e999").encode(), 422, "finite"),
        (inference(parameters={"binary_data_size": 40}), 422, "has 0 bytes behind the JSON"),
        (inference(parameters={"binary_data_size": 40}, data=None), 422, "has 0 bytes behind the JSON"),
        (inference() | {"outputs": [{"name": "cost"}]}, 422, "expected one output, 'price', found 'cost' too"),
        (inference() | {"outputs": [{"name": "price"}] * 2}, 422, "expected one output"),
        (inference() | {"outputs": [], "parameters": {"priority": 3, "x": "y"}}, 200, ""),
    ],
)
def test_a_wrong_inference_request_is_refused_with_a_reason(desk, body, status, says):
    reply = ask(desk, body)

    assert reply.status == status
    assert says in reply.body.get("error", "")


@pytest.mark.parametrize("length", ["-1", "x", "99999", "9" * 50, ""])
def test_a_wrong_length_of_the_json_is_refused(desk, length):
    reply = ask(desk, inference(), **{"inference-header-content-length": length})

    assert reply.status == 400


def test_bytes_behind_the_json_must_be_as_many_as_the_shape_says(desk):
    header = json.dumps(inference(data=None, parameters={"binary_data_size": 40})).encode()
    for num_bytes in (0, 39, 41, 80):
        reply = ask(desk, header + bytes(num_bytes), **{"inference-header-content-length": len(header)})

        assert reply.status == 422
        assert f"{num_bytes} bytes behind the JSON" in reply.body["error"]
