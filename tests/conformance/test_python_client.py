"""The Python client (`clients/python`) against real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import numpy as np
import pytest
from jubako_client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    JubakoError,
    ModelNotFound,
    NotFound,
    Overloaded,
    Unreachable,
)
from jubako_client._protos import jubako_v1 as pb

from tests.serving import Server, free_port


@pytest.fixture
def echo(echo_server: Server) -> Iterator[Client]:
    with Client(f"127.0.0.1:{echo_server.grpc_port}") as client:
        yield client


@pytest.fixture
def tensors(tensor_server: Server) -> Iterator[Client]:
    with Client(f"127.0.0.1:{tensor_server.grpc_port}") as client:
        yield client


@pytest.mark.parametrize("messages", ["one two three", [{"role": "user", "content": "one two three"}]])
def test_a_chat_whole_and_streamed(echo: Client, messages: str) -> None:
    answer = echo.chat("echo", messages, max_tokens=2)
    assert (answer.text, answer.finish_reason, answer.usage.completion_tokens) == ("one two", "length", 2)
    with echo.chat("echo", messages, max_tokens=2, stream=True) as stream:
        assert "".join(delta.text for delta in stream) == answer.text
    assert stream.answer.usage == answer.usage
    assert stream.answer.finish_reason == "length"


def test_a_stream_can_be_left(echo: Client) -> None:
    stream = echo.chat("echo", "a " * 2000, stream=True)
    next(stream)
    stream.close()
    assert list(stream) == []
    assert echo.chat("echo", "still here").text == "still here"


def test_complete_and_vectors_and_scores(echo: Client) -> None:
    assert [choice.text for choice in echo.complete("echo", ["a b", "c d"]).choices] == ["a b", "c d"]
    stream = echo.complete("echo", "a b c", stream=True)
    assert "".join(delta.text for delta in stream) == stream.answer.text == "a b c"
    vectors = echo.embed("echo", ["a text", "another"])
    assert vectors.shape == (2, 8)
    assert vectors.dtype == np.float32
    ranked = echo.rerank("echo", "a b", ["c", "a b"], top_n=1)
    assert len(ranked) == 1
    scores = echo.score("echo", "a b", ["c", "a b"])
    assert scores[ranked[0].index] == scores.max()
    assert set(echo.classify("echo", "word")[0].probabilities) == {"short", "long"}


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int64, np.float16, np.float32, np.float64, object, np.str_, np.dtypes.StringDType]
)
def test_tensors_come_back(tensors: Client, dtype: type) -> None:
    given = {
        f"IN_{name}": np.zeros(1, like) if name != "BYTES" else np.array([b"x"], object)
        for name, like in {
            "BOOL": np.bool_,
            "UINT8": np.uint8,
            "UINT16": np.uint16,
            "UINT32": np.uint32,
            "UINT64": np.uint64,
            "INT8": np.int8,
            "INT16": np.int16,
            "INT32": np.int32,
            "INT64": np.int64,
            "FP16": np.float16,
            "FP32": np.float32,
            "FP64": np.float64,
            "BF16": np.float32,
            "BYTES": object,
        }.items()
    }
    names = {"b": "BOOL", "u1": "UINT8", "i8": "INT64", "f2": "FP16", "f4": "FP32", "f8": "FP64"}
    name = names.get(np.dtype(dtype).str.lstrip("<|"), "BOOL" if dtype is np.bool_ else "BYTES")
    given[f"IN_{name}"] = np.array(["é", "b"] if name == "BYTES" else [1, 0, 1]).astype(dtype)
    found = tensors.infer("types", given, datatypes={"IN_BF16": "BF16"})
    expected = ["é".encode(), b"b"] if name == "BYTES" else given[f"IN_{name}"].tolist()
    assert found[f"OUT_{name}"].tolist() == expected


def test_arrays_names_and_parameters_of_odd_kinds(tensors: Client) -> None:
    rows = np.arange(6, dtype=">f4").reshape(3, 2).T[::-1].repeat(2, axis=1)[:, :3]
    found = tensors.infer("identity:1", {"INPUT0": rows}, parameters={"seed": 2**63})
    assert np.array_equal(found["OUTPUT0"], rows)
    with pytest.raises(ModelNotFound, match="'123'"):
        tensors.infer("123", {})


def test_batches_versions_and_streams_of_tensors(tensors: Client) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(tensors.infer("identity:1", {"INPUT0": rows})["OUTPUT0"], rows)
    assert np.array_equal(tensors.infer("identity", {"INPUT0": rows})["OUTPUT0"], rows * 2)
    pieces = [piece["OUT"].item() for piece in tensors.infer_stream("repeat", {"IN": np.array([3, 1, 2], np.int32)})]
    assert pieces == [3, 1, 2]


def test_what_is_said_of_models(tensors: Client) -> None:
    assert {model.model for model in tensors.models()} == {"identity", "types", "slow", "repeat", "echo"}
    signature = tensors.model("identity:1").signature
    assert signature is not None
    assert signature.outputs[0].labels == ("cat", "dog", "bird")
    assert [version.version for version in tensors.versions("identity")] == [1, 2]
    assert tensors.ready()
    assert tensors.ready("identity")
    assert not tensors.ready("nobody")


def test_errors_are_the_servers_own(echo: Client) -> None:
    with pytest.raises(ModelNotFound) as found:
        echo.chat("ech", "hello", request_id="mine-1")
    assert (found.value.code, found.value.status, found.value.request_id) == ("model_not_found", "NOT_FOUND", "mine-1")
    assert "mine-1" in str(found.value)
    with pytest.raises(InvalidRequest) as invalid:
        echo.chat("echo", "hello", temperature=-1.0)
    assert invalid.value.param == "sampling.temperature"
    with pytest.raises(InvalidRequest):
        echo.chat("echo", [{"role": "nobody", "content": "hello"}])
    with pytest.raises(TypeError, match="temprature"):
        echo.chat("echo", "hello", temprature=1)  # type: ignore[call-overload]


def test_a_deadline(tensors: Client) -> None:
    with pytest.raises(DeadlineExceeded):
        tensors.infer("slow", {"SECONDS": np.array([2], np.float32)}, timeout_s=0.3)


def test_nobody_there() -> None:
    with Client(f"127.0.0.1:{free_port()}", retries=1) as client:
        assert not client.ready()
        with pytest.raises(Unreachable):
            client.models()


async def test_many_at_once_without_threads(echo_server: Server) -> None:
    async with AsyncClient(f"127.0.0.1:{echo_server.grpc_port}") as client:
        answers = await asyncio.gather(*(client.chat("echo", f"number {number}") for number in range(20)))
        assert [answer.text for answer in answers] == [f"number {number}" for number in range(20)]
        stream = await client.chat("echo", "one two", stream=True)
        assert "".join([delta.text async for delta in stream]) == stream.answer.text == "one two"
        with pytest.raises(ModelNotFound):
            await client.embed("nobody", "text")


def test_an_alias_means_a_version(tensors: Client) -> None:
    rows = np.ones((1, 2), np.float32)
    assert tensors.set_alias("identity", "stable", 1).aliases == ("stable",)
    assert np.array_equal(tensors.infer("identity@stable", {"INPUT0": rows})["OUTPUT0"], rows)
    assert tensors.set_alias("identity", "stable", 2).aliases == ("stable",)
    assert np.array_equal(tensors.infer("identity@stable", {"INPUT0": rows})["OUTPUT0"], rows * 2)
    assert tensors.model("identity@stable").version == 2
    assert tensors.ready("identity@stable")
    tensors.delete_alias("identity", "stable")
    assert not tensors.ready("identity@stable")
    with pytest.raises(NotFound):
        tensors.delete_alias("identity", "stable")


async def test_tensors_without_threads(tensor_server: Server) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    async with AsyncClient(f"127.0.0.1:{tensor_server.grpc_port}") as client:
        assert np.array_equal((await client.infer("identity", {"INPUT0": rows}, outputs=["OUTPUT0"]))["OUTPUT0"], rows * 2)
        answers = client.infer_stream("repeat", {"IN": np.arange(5, dtype=np.int32)})
        assert [answer["OUT"].item() async for answer in answers] == [0, 1, 2, 3, 4]
        with pytest.raises(JubakoError, match="IN"):
            await anext(client.infer_stream("repeat", {"OTHER": np.arange(5, dtype=np.int32)}))
        with pytest.raises(DeadlineExceeded):
            await client.infer("slow", {"SECONDS": np.array([2], np.float32)}, timeout_s=0.3)
        assert {version.model for version in await client.index(ready=True)} >= {"identity", "repeat"}
        assert (await client.model("identity")).interface_digest


class Faulty(grpc.GenericRpcHandler):
    """Refuses the first `failures` calls, and then answers with no models."""

    def __init__(self, failures: int, code: grpc.StatusCode) -> None:
        self.failures = failures
        self.code = code
        self.calls = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls += 1
        if self.calls <= self.failures:
            context.abort(self.code, "Not now.")
        return pb.ListModelsResponse().SerializeToString()


@pytest.mark.parametrize(
    ("failures", "code", "calls", "error"),
    [
        (2, grpc.StatusCode.UNAVAILABLE, 3, None),
        (3, grpc.StatusCode.UNAVAILABLE, 3, Unreachable),
        (1, grpc.StatusCode.RESOURCE_EXHAUSTED, 1, Overloaded),
        (1, grpc.StatusCode.INVALID_ARGUMENT, 1, InvalidRequest),
    ],
)
def test_what_is_asked_again(failures: int, code: grpc.StatusCode, calls: int, error: type[Exception] | None) -> None:
    faulty = Faulty(failures, code)
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[faulty])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}") as client:
            if error is None:
                assert client.models() == []
            else:
                with pytest.raises(error):
                    client.models()
    finally:
        server.stop(None).wait()
    assert faulty.calls == calls


@pytest.mark.timeout(300)
def test_tools_and_schemas_with_a_real_model(server: Server) -> None:
    city = {"type": "object", "properties": {"city": {"enum": ["Oslo"]}}, "required": ["city"], "additionalProperties": False}
    weather = {"name": "get_weather", "description": "The weather in a city.", "parameters": city}
    with Client(f"127.0.0.1:{server.grpc_port}") as client:
        asked = client.chat(
            "smollm2",
            "What is the weather in Oslo?",
            tools=[weather],
            tool_choice="required",
            parallel_tool_calls=False,
            max_tokens=80,
            temperature=0,
        )
        assert asked.finish_reason == "tool_calls", asked
        assert json.loads(asked.tool_calls[0].arguments) == {"city": "Oslo"}
        schema = {
            "type": "object",
            "properties": {"good": {"type": "boolean"}},
            "required": ["good"],
            "additionalProperties": False,
        }
        answer = client.chat("smollm2", "Is it good?", json_schema=schema, max_tokens=40, temperature=0)
        assert list(json.loads(answer.text)) == ["good"]
