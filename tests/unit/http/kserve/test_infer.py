"""POST /v2/models/{model}/infer: tensors in all the forms that the protocol has."""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from typing import Any

import httpx
import numpy as np
import pytest

from jubako.messages import InferRequest, InferResult, SharedRegion
from jubako.tensors import Region, Tensor, dtype_of, from_array, to_array
from tests.unit.http.fake_plane import FakePlane

URL = "/v2/models/identity/infer"
LENGTH = "inference-header-content-length"


def tensor(
    data: object, *, shape: list[int], datatype: str = "FP32", name: str = "INPUT0", **parameters: object
) -> dict[str, Any]:
    given: dict[str, Any] = {"name": name, "shape": shape, "datatype": datatype}
    if data is not None:
        given["data"] = data
    return {**given, "parameters": parameters} if parameters else given


async def infer(client: httpx.AsyncClient, *inputs: dict[str, Any], **fields: Any) -> httpx.Response:
    return await client.post(URL, json={"inputs": inputs, **fields})


async def infer_binary(
    client: httpx.AsyncClient, contents: bytes, *inputs: dict[str, Any], headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    text = json.dumps({"inputs": inputs, **fields}).encode()
    return await client.post(URL, content=text + contents, headers={LENGTH: str(len(text)), **(headers or {})})


def asked(plane: FakePlane) -> InferRequest:
    (request,) = plane.asked
    assert isinstance(request, InferRequest)
    return request


def message(response: httpx.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert isinstance(body["error"], str)
    return str(body["error"])


# --- JSON -------------------------------------------------------------------------------------------------------------------


async def test_an_answer_has_the_tensors_and_who_answered(client: httpx.AsyncClient, plane: FakePlane) -> None:
    response = await infer(client, tensor([0.5, -1.0], shape=[1, 2]), id="seven", parameters={"echo": 1, "temperature": 0.5})
    assert response.json() == {
        "id": "seven",
        "model_name": "identity",
        "model_version": "3",
        "parameters": {"echo": 1},
        "outputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -1.0]}],
    }
    request = asked(plane)
    assert request.model == "identity"
    assert request.parameters == {"echo": 1, "temperature": 0.5}
    assert bytes(request.inputs[0].data) == struct.pack("<2f", 0.5, -1.0)


SAMPLES = [
    ("BOOL", [True, False, True]),
    ("UINT8", [0, 7, 255]),
    ("UINT16", [0, 7, 65535]),
    ("UINT32", [0, 7, 2**32 - 1]),
    ("UINT64", [0, 7, 2**64 - 1]),
    ("INT8", [-128, 0, 127]),
    ("INT16", [-32768, 0, 32767]),
    ("INT32", [-(2**31), 0, 2**31 - 1]),
    ("INT64", [-(2**63), 0, 2**63 - 1]),
    ("FP16", [-0.5, 0.0, 65504.0]),
    ("BF16", [-0.5, 0.0, 1.5]),
    ("FP32", [-0.5, 0.0, 2.0**100]),
    ("FP64", [-0.1, 0.0, 1e300]),
    ("BYTES", ["", "Größe", "\u0000\n"]),
]


@pytest.mark.parametrize(("datatype", "values"), SAMPLES)
async def test_every_datatype_in_json(client: httpx.AsyncClient, plane: FakePlane, datatype: str, values: list[Any]) -> None:
    for data, shape in ((values, [3]), ([values], [1, 3]), ([[value] for value in values], [3, 1])):
        response = await infer(client, tensor(data, shape=shape, datatype=datatype))
        assert response.json()["outputs"][0] == {"name": "INPUT0", "datatype": datatype, "shape": shape, "data": values}
    request = plane.asked[0]
    assert isinstance(request, InferRequest)
    got = to_array(request.inputs[0])
    assert [v.decode() if isinstance(v, bytes) else v for v in got.tolist()] == values


@pytest.mark.parametrize(("datatype", "values"), SAMPLES)
async def test_every_datatype_in_binary(client: httpx.AsyncClient, plane: FakePlane, datatype: Any, values: list[Any]) -> None:
    array = np.array(values, dtype=dtype_of(datatype))
    contents = bytes(from_array("INPUT0", array, datatype).data)
    given = tensor(None, shape=[3], datatype=datatype, binary_data_size=len(contents))
    response = await infer_binary(client, contents, given, parameters={"binary_data_output": True})
    length = int(response.headers[LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    output = json.loads(response.content[:length])["outputs"][0]
    assert output["parameters"] == {"binary_data_size": len(contents)}
    assert "data" not in output
    assert response.content[length:] == contents
    assert bytes(asked(plane).inputs[0].data) == contents
    assert asked(plane).parameters == {}


async def test_a_scalar_and_an_empty_tensor(client: httpx.AsyncClient, plane: FakePlane) -> None:
    inputs = [tensor([5.0], shape=[], name="a"), tensor([], shape=[0, 4], name="b"), tensor([[], []], shape=[2, 0], name="c")]
    response = await infer(client, *inputs)
    assert [(o["shape"], o["data"]) for o in response.json()["outputs"]] == [([], [5.0]), ([0, 4], []), ([2, 0], [])]


async def test_numbers_that_json_has_not_become_null(client: httpx.AsyncClient, plane: FakePlane) -> None:
    contents = struct.pack("<3f", math.nan, math.inf, 1.0)
    plane.inferred = InferResult(outputs=[Tensor("OUTPUT0", "FP32", [3], contents)])
    assert (await infer(client, tensor([1.0], shape=[1]))).json()["outputs"][0]["data"] == [None, None, 1.0]


async def test_a_nested_tensor_of_three_dimensions(client: httpx.AsyncClient, plane: FakePlane) -> None:
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    await infer(client, tensor(array.tolist(), shape=[2, 3, 4], datatype="INT32"))
    assert bytes(asked(plane).inputs[0].data) == array.tobytes()


# --- mixed, outputs, parameters ----------------------------------------------------------------------------------------------


async def test_json_and_binary_tensors_in_one_request(client: httpx.AsyncClient, plane: FakePlane) -> None:
    first, third = b"\x01\x02", struct.pack("<d", 2.5)
    response = await infer_binary(
        client,
        first + third,
        tensor(None, shape=[2], datatype="UINT8", name="a", binary_data_size=2),
        tensor(["x"], shape=[1], datatype="BYTES", name="b"),
        tensor(None, shape=[1], datatype="FP64", name="c", binary_data_size=8),
        outputs=[
            {"name": "c", "parameters": {"binary_data": True}},
            {"name": "a"},
            {"name": "b", "parameters": {"binary_data": True}},
        ],
    )
    length = int(response.headers[LENGTH])
    outputs = {output["name"]: output for output in json.loads(response.content[:length])["outputs"]}
    assert outputs["a"]["data"] == [1, 2]
    assert response.content[length:] == b"\x01\x00\x00\x00x" + third
    assert [wanted.name for wanted in asked(plane).outputs] == ["c", "a", "b"]


async def test_an_output_may_differ_from_what_the_request_says_of_all(client: httpx.AsyncClient) -> None:
    response = await infer(
        client,
        tensor([1], shape=[1], datatype="INT8", name="a"),
        tensor([2], shape=[1], datatype="INT8", name="b"),
        outputs=[{"name": "a", "parameters": {"binary_data": False}}, {"name": "b"}],
        parameters={"binary_data_output": True},
    )
    length = int(response.headers[LENGTH])
    assert json.loads(response.content[:length])["outputs"][0]["data"] == [1]
    assert response.content[length:] == b"\x02"


async def test_priority_timeout_and_sequence(client: httpx.AsyncClient, plane: FakePlane) -> None:
    parameters = {"priority": 2, "timeout": 5000, "sequence_id": 2**64 - 1, "sequence_start": True, "sequence_end": False}
    await infer(client, tensor([1.0], shape=[1]), parameters=parameters)
    request = asked(plane)
    assert (request.priority, request.timeout_us) == (2, 5000)
    assert request.parameters == {"sequence_id": 2**64 - 1, "sequence_start": True, "sequence_end": False}


async def test_classification_is_asked_of_the_model(client: httpx.AsyncClient, plane: FakePlane) -> None:
    await infer(client, tensor([1.0], shape=[1]), outputs=[{"name": "INPUT0", "parameters": {"classification": 3}}])
    assert asked(plane).outputs[0].classes == 3


async def test_nulls_are_as_if_absent(client: httpx.AsyncClient) -> None:
    given = {**tensor([1.0], shape=[1]), "parameters": None}
    assert (await infer(client, given, id=None, outputs=None, parameters=None)).status_code == 200


async def test_bytes_that_are_no_text_are_not_given_as_json(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.inferred = InferResult(outputs=[Tensor("OUTPUT0", "BYTES", [1], b"\x01\x00\x00\x00\xff")])
    said = message(await infer(client, tensor([1.0], shape=[1])))
    assert "'OUTPUT0'" in said
    assert "binary_data" in said


# --- names and versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "model"), [("identity", "identity"), ("identity/versions/1", "identity:1"), ("identity:1", "identity:1")]
)
async def test_a_version_in_the_path(client: httpx.AsyncClient, plane: FakePlane, path: str, model: str) -> None:
    response = await client.post(f"/v2/models/{path}/infer", json={"inputs": [tensor([1.0], shape=[1])]})
    assert asked(plane).model == model
    assert response.json()["model_version"] == ("3" if path == "identity" else "1")


async def test_an_unknown_version_says_which_there_are(client: httpx.AsyncClient) -> None:
    said = message(await client.post("/v2/models/identity/versions/9/infer", json={}), 404)
    assert "no version 9; it has 1, 3" in said


async def test_an_unknown_model(client: httpx.AsyncClient) -> None:
    assert "'nobody:1'" in message(await client.post("/v2/models/nobody/versions/1/infer", json={}), 404)


async def test_a_decoupled_model_says_where_to_ask_it(client: httpx.AsyncClient, plane: FakePlane) -> None:
    said = message(await client.post("/v2/models/many/infer", json={"inputs": []}))
    assert "/v2/models/many/generate_stream" in said
    assert "gRPC" in said
    assert not plane.asked


# --- what is refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (tensor([1.0, 2.0], shape=[3]), ["must have 3 elements", "has 2"]),
        (tensor([1.0] * 4, shape=[3]), ["must have 3 elements", "has 4"]),
        (tensor([[1.0, 2.0], [3.0]], shape=[2, 2]), ["nested otherwise", "[2, 2]"]),
        (tensor([[1.0, 2.0], 3.0], shape=[2, 2]), ["nested otherwise"]),
        (tensor([1.0, [2.0]], shape=[2]), ["Element 1", "[2.0]", "FP32"]),
        (tensor([[1.0, 2.0]], shape=[2]), ["nested otherwise"]),
        (tensor([[["x"]]], shape=[1, 1, 1]), ["Element 0", "'x'", "FP32"]),
        (tensor([[True]], shape=[1, 1]), ["Element 0", "True"]),
        (tensor([1.0], shape=[-1]), ["negative", "[-1]"]),
        (tensor([1.0], shape=[2**62, 2]), ["more elements"]),
        (tensor([], shape=[0, 2**70]), ["more elements"]),
        (tensor([1.0], shape=[1] * 33), ["inputs[0].shape"]),
        (tensor([256], shape=[1], datatype="UINT8"), ["Element 0", "256", "UINT8"]),
        (tensor([0, -1], shape=[2], datatype="UINT64"), ["Element 1", "-1"]),
        (tensor([2**63], shape=[1], datatype="INT64"), ["INT64"]),
        (tensor([10**400], shape=[1], datatype="INT64"), ["INT64"]),
        (tensor([10**4200], shape=[1], datatype="INT8"), ["INT8"]),
        (tensor([1e39], shape=[1]), ["1e+39", "FP32"]),
        (tensor([1e39], shape=[1], datatype="BF16"), ["1e+39", "BF16"]),
        (tensor([70000.0], shape=[1], datatype="FP16"), ["70000.0", "FP16"]),
        (tensor([1.5], shape=[1], datatype="INT32"), ["inputs[0].data[0]", "integer", "number"]),
        (tensor(["1"], shape=[1]), ["inputs[0].data[0]", "string"]),
        (tensor([2], shape=[1], datatype="BOOL"), ["inputs[0].data[0]"]),
        (tensor([True, [1]], shape=[2], datatype="BOOL"), ["Element 1"]),
        (tensor([1], shape=[1], datatype="BYTES"), ["inputs[0].data[0]"]),
        (tensor([1.0], shape=[1], datatype="FP31"), ["FP31", "FP32, FP64, BYTES"]),
        (tensor(None, shape=[1]), ["no contents", "'data'"]),
        (tensor([1.0], shape=[1], binary_data_size=4), ["'binary_data_size' of 4", "0 bytes"]),
        (tensor(None, shape=[1], binary_data_size=-4), ["binary_data_size"]),
        (tensor(None, shape=[1], shared_memory_region="none", shared_memory_byte_size=4), ["'none'", "not registered"]),
        ({**tensor([1.0], shape=[1]), "dta": 1}, ["dta"]),
        ({"name": "INPUT0", "datatype": "FP32", "data": [1.0]}, ["inputs[0].shape"]),
        ({"name": "INPUT0", "shape": [1], "data": [1.0]}, ["inputs[0].datatype"]),
    ],
)
async def test_a_wrong_input_says_what_was_expected(
    client: httpx.AsyncClient, plane: FakePlane, given: dict[str, Any], parts: list[str]
) -> None:
    said = message(await infer(client, given))
    assert "'identity'" in said
    assert "'INPUT0'" in said
    for part in parts:
        assert part in said, said
    assert not plane.asked


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "no body"),
        (b"{", "not valid JSON"),
        (b"[]", "object"),
        (b"{}", "'inputs'"),
        (b'{"inputs":[],"outptus":[]}', "'outputs'"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[NaN]}]}', "NaN"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[-Infinity]}]}', "-Infinity"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[1e999]}]}', "out of range"),
        (b'{"inputs":[],"parameters":{"priority":"high"}}', "'priority'"),
        (b'{"inputs":[],"parameters":{"timeout":-1}}', "'timeout'"),
        (b'{"inputs":[],"parameters":{"x":18446744073709551616}}', "64 bits"),
        (b'{"inputs":[],"parameters":{"x":[1]}}', "parameters"),
        (b'{"inputs":[],"outputs":[{}]}', "outputs[0].name"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":' + b"[" * 90_000, "nested too deeply"),
    ],
)
async def test_a_wrong_body(client: httpx.AsyncClient, plane: FakePlane, body: bytes, part: str) -> None:
    assert part in message(await client.post(URL, content=body))
    assert not plane.asked


@pytest.mark.parametrize(
    ("size", "contents", "parts"),
    [
        (8, b"\0" * 4, ["'binary_data_size' of 8", "4 bytes"]),
        (4, b"\0" * 5, ["5 bytes follow", "add up to 4"]),
        (3, b"\0" * 3, ["must have 4 bytes", "has 3"]),
    ],
)
async def test_binary_sizes_that_do_not_add_up(client: httpx.AsyncClient, size: int, contents: bytes, parts: list[str]) -> None:
    said = message(await infer_binary(client, contents, tensor(None, shape=[1], binary_data_size=size)))
    for part in parts:
        assert part in said


async def test_contents_in_two_places(client: httpx.AsyncClient) -> None:
    said = message(await infer_binary(client, b"\0" * 4, tensor([1.0], shape=[1], binary_data_size=4)))
    assert "more than one place" in said


@pytest.mark.parametrize("length", ["-1", "x", "99999", "9" * 5000, ""])
async def test_a_wrong_length_of_the_json(client: httpx.AsyncClient, length: str) -> None:
    assert "Inference-Header-Content-Length" in message(await client.post(URL, content=b"{}", headers={LENGTH: length}))


# --- shared memory ----------------------------------------------------------------------------------------------------------


async def test_tensors_in_shared_memory(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.shared = [
        SharedRegion(name="in", key="/in", byte_size=100, offset=1000),
        SharedRegion(name="out", key="/out", byte_size=64),
    ]
    response = await infer(
        client,
        tensor(None, shape=[2], shared_memory_region="in", shared_memory_byte_size=8, shared_memory_offset=92),
        outputs=[
            {
                "name": "INPUT0",
                "parameters": {"shared_memory_region": "out", "shared_memory_byte_size": 32, "shared_memory_offset": 16},
            }
        ],
    )
    assert asked(plane).inputs[0].region == Region("/in", 1092, 8)
    assert asked(plane).outputs[0].region == Region("/out", 16, 32)
    output = response.json()["outputs"][0]
    assert output["parameters"] == {"shared_memory_region": "out", "shared_memory_offset": 16, "shared_memory_byte_size": 32}
    assert "data" not in output


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"shared_memory_byte_size": 8, "shared_memory_offset": 93}, ["beyond", "'in'", "100 bytes"]),
        ({"shared_memory_byte_size": 2**62, "shared_memory_offset": 2**62}, ["beyond"]),
        ({"shared_memory_byte_size": 12}, ["must have 8 bytes", "12"]),
        ({}, ["shared_memory_byte_size"]),
        ({"shared_memory_byte_size": 8, "binary_data_size": 0}, ["more than one place"]),
    ],
)
async def test_shared_memory_that_does_not_fit(
    client: httpx.AsyncClient, plane: FakePlane, parameters: dict[str, Any], parts: list[str]
) -> None:
    plane.shared = [SharedRegion(name="in", key="/in", byte_size=100)]
    said = message(await infer(client, tensor(None, shape=[2], shared_memory_region="in", **parameters)))
    for part in parts:
        assert part in said


# --- large and compressed bodies --------------------------------------------------------------------------------------------


async def test_a_large_tensor_there_and_back(client: httpx.AsyncClient, plane: FakePlane) -> None:
    contents = np.random.default_rng(0).bytes(80_000)
    given = tensor(None, shape=[80_000], datatype="UINT8", binary_data_size=len(contents))
    response = await infer_binary(client, contents, given, parameters={"binary_data_output": True})
    assert response.content[int(response.headers[LENGTH]) :] == contents
    data = asked(plane).inputs[0].data
    assert isinstance(data, memoryview), "a view into the body, not a copy"
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_compressed_both_ways(client: httpx.AsyncClient, plane: FakePlane, name: str, compress: Any) -> None:
    text = json.dumps(
        {"inputs": [tensor(None, shape=[1], binary_data_size=4)], "parameters": {"binary_data_output": True}}
    ).encode()
    contents = struct.pack("<f", 2.5)
    headers = {LENGTH: str(len(text)), "content-encoding": name, "accept-encoding": name}
    response = await client.post(URL, content=compress(text + contents), headers=headers)
    assert response.headers["content-encoding"] == name
    assert response.content[int(response.headers[LENGTH]) :] == contents  # httpx has decompressed it.


async def test_large_compressed_both_ways(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.inferred = InferResult(outputs=[Tensor("OUTPUT0", "UINT8", [600_000], bytes(600_000))])
    text = json.dumps({"inputs": [tensor([1.0], shape=[1])], "parameters": {"binary_data_output": True}}).encode()
    response = await client.post(
        URL, content=gzip.compress(text), headers={"content-encoding": "gzip", "accept-encoding": "gzip"}
    )
    assert int(response.headers["content-length"]) < 60_000
    assert response.content[int(response.headers[LENGTH]) :] == bytes(600_000)


@pytest.mark.parametrize("accepted", ["gzip, deflate", "*", "br", "identity", ""])
async def test_who_accepts_anything_gets_it_as_it_is(client: httpx.AsyncClient, accepted: str) -> None:
    response = await client.post(URL, json={"inputs": [tensor([1.0], shape=[1])]}, headers={"accept-encoding": accepted})
    assert "content-encoding" not in response.headers
    assert response.json()["outputs"][0]["data"] == [1.0]


@pytest.mark.parametrize(
    ("content", "encoding", "status", "part"),
    [
        (gzip.compress(bytes(101_000)), "gzip", 413, "max_body_bytes"),
        (zlib.compress(bytes(50_000_000)), "deflate", 413, "max_body_bytes"),
        (b"{}", "gzip", 400, "not gzip"),
        (b"", "gzip", 400, "ends before"),
        (gzip.compress(b"{}")[:-4], "gzip", 400, "ends before"),
        (gzip.compress(b"{}") * 2, "gzip", 400, "goes on"),
        (b"{}", "br", 415, "'br'"),
        (b"{}", "gzip, gzip", 415, "gzip"),
    ],
)
async def test_wrongly_compressed(client: httpx.AsyncClient, content: bytes, encoding: str, status: int, part: str) -> None:
    assert part in message(await client.post(URL, content=content, headers={"content-encoding": encoding}), status)


async def test_a_body_beyond_the_limit(client: httpx.AsyncClient) -> None:
    assert "max_body_bytes" in message(await client.post(URL, content=bytes(100_001)), 413)
