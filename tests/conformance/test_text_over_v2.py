"""Models of text, asked for tensors by tritonclient: text_input to text_output, as Triton's vLLM backend names them."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from tests.serving import Server

WORDS = "one two three"


def text(kind: Any, name: str, *values: str) -> Any:
    tensor = kind.InferInput(name, [len(values)], "BYTES")
    tensor.set_data_from_numpy(np.array([value.encode() for value in values], object))
    return tensor


@pytest.fixture
def http(echo_server: Server) -> Iterator[triton_http.InferenceServerClient]:
    with triton_http.InferenceServerClient(echo_server.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def grpc(echo_server: Server) -> Iterator[triton_grpc.InferenceServerClient]:
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{echo_server.grpc_port}") as client:
        yield client


def test_the_metadata_shows_the_tensors(http: triton_http.InferenceServerClient) -> None:
    metadata = http.get_model_metadata("echo")
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["text_input", "stream", "sampling_parameters"]
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["text_output"]
    config = http.get_model_config("echo")
    assert [tensor["name"] for tensor in config["input"]] == ["text_input", "stream", "sampling_parameters"]


def test_prompts_are_completed_over_http(http: triton_http.InferenceServerClient) -> None:
    answer = http.infer("echo", [text(triton_http, "text_input", WORDS, "four")])
    assert answer.as_numpy("text_output").tolist() == [WORDS.encode(), b"four"]


def test_prompts_are_completed_over_grpc(grpc: triton_grpc.InferenceServerClient) -> None:
    answer = grpc.infer("echo", [text(triton_grpc, "text_input", WORDS)])
    assert answer.as_numpy("text_output").tolist() == [WORDS.encode()]


def test_sampling_parameters_count_whichever_way_they_come(http: triton_http.InferenceServerClient) -> None:
    sampling = text(triton_http, "sampling_parameters", json.dumps({"max_tokens": 2}))
    answer = http.infer("echo", [text(triton_http, "text_input", WORDS), sampling])
    assert answer.as_numpy("text_output").tolist() == [b"one two"]
    answer = http.infer("echo", [text(triton_http, "text_input", WORDS)], parameters={"max_tokens": 1})
    assert answer.as_numpy("text_output").tolist() == [b"one"]


def test_text_streams_over_grpc(grpc: triton_grpc.InferenceServerClient) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    grpc.start_stream(lambda result, error: answers.put(error or result))
    grpc.async_stream_infer("echo", [text(triton_grpc, "text_input", WORDS)], enable_empty_final_response=True)
    pieces = []
    while True:
        answer = answers.get(timeout=60)
        assert isinstance(answer, triton_grpc.InferResult), answer
        if answer.get_response().parameters["triton_final_response"].bool_param:
            break
        pieces.append(answer.as_numpy("text_output")[0].decode())
    grpc.stop_stream()
    assert "".join(pieces) == WORDS


def test_generate_and_its_stream(echo_server: Server) -> None:
    body = {"text_input": WORDS, "parameters": {"max_tokens": 2}}
    answer = httpx.post(f"{echo_server.url}/v2/models/echo/generate", json=body, timeout=60)
    assert answer.json()["text_output"] == "one two"
    with httpx.stream("POST", f"{echo_server.url}/v2/models/echo/generate_stream", json=body, timeout=60) as stream:
        events = [json.loads(line.removeprefix("data:")) for line in stream.iter_lines() if line.startswith("data:")]
    assert "".join(event["text_output"] for event in events) == "one two"


def test_what_is_no_tensor_of_a_model_of_text_is_refused(http: triton_http.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="one of text"):
        http.infer("echo", [text(triton_http, "prompt", WORDS)])
    with pytest.raises(InferenceServerException, match="needs the input 'text_input'"):
        http.infer("echo", [text(triton_http, "sampling_parameters", "{}")])
