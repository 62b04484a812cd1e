"""POST /v2/models/{model}/generate and generate_stream."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from jubako.errors import InstanceLost
from jubako.messages import InferRequest, InferResult
from jubako.tensors import Signature, Tensor, TensorSpec, to_array
from tests.unit.http.fake_plane import FakePlane

URL = "/v2/models/identity/generate"


def asked(plane: FakePlane) -> InferRequest:
    (request,) = plane.asked
    assert isinstance(request, InferRequest)
    return request


async def test_fields_become_tensors_and_outputs_fields(client: httpx.AsyncClient, plane: FakePlane) -> None:
    body = {"id": "seven", "text_input": "Hello", "echo": "x", "stream": False, "parameters": {"temperature": 0.5, "priority": 1}}
    answer = (await client.post(URL, json=body)).json()
    assert answer == {"id": "seven", "model_name": "identity", "model_version": "3", "text_input": "Hello", "echo": "x"}
    request = asked(plane)
    assert request.inputs == [Tensor("text_input", "BYTES", [1, 1], b"\x05\x00\x00\x00Hello")]
    assert request.parameters == {"echo": "x", "stream": False, "temperature": 0.5}
    assert request.priority == 1


async def test_many_elements_are_a_flat_list(client: httpx.AsyncClient, plane: FakePlane) -> None:
    values = [float(i) for i in range(16)]
    assert (await client.post(URL, json={"INPUT0": values})).json()["INPUT0"] == values
    assert asked(plane).inputs[0].shape == [1, 16]
    batch = (await client.post(URL, json={"INPUT0": [values, values]})).json()
    assert batch["INPUT0"] == values * 2


@pytest.mark.parametrize(
    ("spec", "batch", "value", "shape"),
    [
        # The model's shape, its max_batch_size, what comes, and the tensor's shape.
        ([1], 0, "a", [1]),
        ([1], 0, ["a"], [1]),
        ([1], 4, "a", [1, 1]),
        ([1], 4, [["a"], ["b"]], [2, 1]),
        ([-1], 0, "a", [1]),
        ([-1], 0, ["a", "b"], [2]),
        ([-1], 4, ["a", "b"], [1, 2]),
        ([-1, -1], 0, ["a", "b"], [2, 1]),
        ([2, -1], 0, ["a", "b", "c", "d"], [2, 2]),
        ([2, -1], 0, [["a"], ["b"]], [2, 1]),
        ([], 0, "a", []),
        ([], 4, "a", [1]),
        ([], 4, ["a", "b"], [2]),
        ([-1], 0, [], [0]),
    ],
)
async def test_the_shape_is_made_from_the_value_and_the_signature(
    client: httpx.AsyncClient, plane: FakePlane, *, spec: list[int], batch: int, value: object, shape: list[int]
) -> None:
    tensors = [TensorSpec(name="words", datatype="BYTES", shape=spec)]
    plane.signature = lambda version: Signature(inputs=tensors, outputs=tensors, max_batch_size=batch)  # type: ignore[method-assign]
    response = await client.post(URL, json={"words": value})
    assert response.status_code == 200, response.text
    assert asked(plane).inputs[0].shape == shape
    to_array(asked(plane).inputs[0])


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"[]", ["JSON object"]),
        (b"{", ["not valid JSON"]),
        (b'{"text_input": 5}', ["'text_input'", "BYTES"]),
        (b'{"text_input": null}', ["'text_input'", "BYTES"]),
        (b'{"INPUT0": [[[1]]]}', ["'INPUT0'", "nested 3 deep"]),
        (b'{"INPUT0": [[1], 2]}', ["'INPUT0'", "nested otherwise"]),
        (b'{"other": [1]}', ["'other'", "'INPUT0', 'text_input'"]),
        (b'{"parameters": {"x": {}}}', ["'x'"]),
        (b'{"parameters": 5}', ["'parameters'"]),
        (b'{"x": 36893488147419103232}', ["'x'", "64 bits"]),
        (b'{"text_input": ' + b"[" * 5000 + b"]" * 5000 + b"}", ["nested"]),
    ],
)
async def test_a_wrong_request(client: httpx.AsyncClient, plane: FakePlane, body: bytes, parts: list[str]) -> None:
    response = await client.post(URL, content=body)
    assert response.status_code == 400
    for part in parts:
        assert part in response.json()["error"]
    assert not plane.asked


async def test_a_decoupled_model_that_answers_once_or_more_often(client: httpx.AsyncClient, plane: FakePlane) -> None:
    url = "/v2/models/many/generate"
    assert (await client.post(url, json={"text_input": "a"})).json()["text_input"] == "a"
    for plane.answers in (0, 2):
        response = await client.post(url, json={"text_input": "a"})
        assert response.status_code == 400
        assert "generate_stream" in response.json()["error"]


async def test_a_stream_has_an_event_for_each_answer(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.answers = 3
    response = await client.post("/v2/models/many/versions/1/generate_stream", json={"text_input": "a"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert events(response) == [{"model_name": "many", "model_version": "1", "text_input": "a"}] * 3
    assert asked(plane).model == "many:1"


async def test_a_stream_without_answers(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.answers = 0
    response = await client.post("/v2/models/many/generate_stream", json={"text_input": "a"})
    assert (response.status_code, response.text) == (200, "")


async def test_a_stream_that_breaks_says_so(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.fail_after = InstanceLost("The process that was answering died.")
    response = await client.post("/v2/models/many/generate_stream", json={"text_input": "a"})
    assert events(response)[-1] == {"error": "The process that was answering died."}
    plane.fail_before = InstanceLost("It died earlier.")
    response = await client.post("/v2/models/many/generate_stream", json={"text_input": "a"})
    assert (response.status_code, response.json()) == (503, {"error": "It died earlier."})


async def test_outputs_of_any_kind(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.inferred = InferResult(outputs=[Tensor("ok", "BOOL", [1], b"\x01"), Tensor("n", "INT8", [2, 1], b"\x01\xff")])
    answer = (await client.post(URL, json={"text_input": "a"})).json()
    assert (answer["ok"], answer["n"]) == (True, [1, -1])


def events(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(event.removeprefix("data: ")) for event in response.text.split("\n\n") if event]
