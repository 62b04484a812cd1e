"""tritonclient over gRPC, unchanged, against a real server: Triton's own client can't tell the difference."""

from __future__ import annotations

import queue
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import tritonclient.utils.shared_memory as shm
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.utils import InferenceServerException

from tests.conformance.test_tritonclient_http import ARRAYS, row
from tests.serving import Server


@pytest.fixture
def address(tensor_server: Server) -> str:
    return f"127.0.0.1:{tensor_server.grpc_port}"


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as client:
        yield client


@pytest.fixture
async def aio_client(address: str) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(address) as client:
        yield client


def given(name: str, array: Any, datatype: str = "FP32") -> triton.InferInput:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    return tensor.set_data_from_numpy(array)


class Answers:
    """What a stream calls back with, to be read in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[triton.InferResult | None, InferenceServerException | None]] = queue.Queue()

    def __call__(self, result: triton.InferResult | None, error: InferenceServerException | None) -> None:
        self._queue.put((result, error))

    def result(self) -> triton.InferResult:
        result, error = self._queue.get(timeout=60)
        assert error is None, error
        return result

    def error(self) -> InferenceServerException:
        result, error = self._queue.get(timeout=60)
        assert result is None
        assert error is not None
        return error


# --- what there is ----------------------------------------------------------------------------------------------------------


def test_the_server_and_its_models(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("identity")
    assert client.is_model_ready("identity", "1")
    assert not client.is_model_ready("identity", "9")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata().name == "jubako"
    metadata = client.get_model_metadata("identity")
    assert list(metadata.versions) == ["1", "2"]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [("INPUT0", "FP32", [-1, -1])]
    config = client.get_model_config("identity", "2").config
    assert (config.name, config.max_batch_size) == ("identity", 8)
    assert client.get_model_config("repeat").config.model_transaction_policy.decoupled


def test_statistics_count_requests(client: triton.InferenceServerClient) -> None:
    before = client.get_inference_statistics("identity", "1").model_stats[0]
    client.infer("identity", [given("INPUT0", row(1, 2))], model_version="1")
    after = client.get_inference_statistics("identity", "1").model_stats[0]
    assert after.inference_count - before.inference_count == 1
    assert after.inference_stats.success.count - before.inference_stats.success.count == 1
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    assert {"identity", "types"} <= {stats.name for stats in client.get_inference_statistics().model_stats}


def test_trace_settings_are_kept(client: triton.InferenceServerClient) -> None:
    def rate(answer: dict[str, Any]) -> list[str]:
        values: list[str] = answer["settings"]["trace_rate"]["value"]
        return values

    assert rate(client.update_trace_settings("identity", {"trace_rate": "5"}, as_json=True)) == ["5"]
    assert rate(client.get_trace_settings(as_json=True)) == ["1000"]
    assert rate(client.update_trace_settings("identity", {"trace_rate": None}, as_json=True)) == ["1000"]


def test_log_settings(client: triton.InferenceServerClient) -> None:
    verbose = client.update_log_settings({"log_verbose_level": 1}, as_json=True)["settings"]
    assert verbose["log_verbose_level"]["uint32_param"] == 1
    quiet = client.update_log_settings({"log_verbose_level": 0}, as_json=True)["settings"]
    assert quiet["log_info"]["bool_param"]


def test_health_of_each_model(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", "identity", "identity:1", "echo"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=60).status == 1
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=60)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


# --- inference --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", ARRAYS)
def test_every_datatype(client: triton.InferenceServerClient, datatype: str) -> None:
    inputs = [given(f"IN_{name}", array, name) for name, array in ARRAYS.items()]
    result = client.infer("types", inputs, outputs=[triton.InferRequestedOutput(f"OUT_{datatype}")])
    array = result.as_numpy(f"OUT_{datatype}")
    assert np.array_equal(array, ARRAYS[datatype])
    assert array.dtype == ARRAYS[datatype].dtype


def test_versions_ids_and_classes(client: triton.InferenceServerClient) -> None:
    for version, factor in (("", 2), ("1", 1), ("2", 2)):
        result = client.infer("identity", [given("INPUT0", row(1, 3, 2))], model_version=version, request_id="r1")
        assert np.array_equal(result.as_numpy("OUTPUT0"), row(1, 3, 2) * factor)
        assert result.get_response().id == "r1"
    classes = [triton.InferRequestedOutput("OUTPUT0", class_count=2)]
    result = client.infer("identity", [given("INPUT0", row(1, 3, 2))], model_version="1", outputs=classes)
    assert [text.split(b":")[1:] for text in result.as_numpy("OUTPUT0").ravel()] == [[b"1", b"dog"], [b"2", b"bird"]]


def test_what_is_wrong_with_a_request_is_said(client: triton.InferenceServerClient) -> None:
    for inputs, words in (
        ([given("WRONG", row(1))], "WRONG"),
        ([given("INPUT0", np.zeros((1, 2), np.int32), "INT32")], "INT32"),
        ([], "INPUT0"),
    ):
        with pytest.raises(InferenceServerException, match=words) as caught:
            client.infer("identity", inputs)
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_call_that_takes_too_long_and_one_that_is_cancelled(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("slow", [given("SECONDS", np.array([0.5], np.float32))], client_timeout=0.1)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    answers = Answers()
    context = client.async_infer("slow", [given("SECONDS", np.array([5], np.float32))], answers)
    context.cancel()
    assert "cancelled" in str(answers.error()).lower()


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(client: triton.InferenceServerClient, algorithm: str) -> None:
    result = client.infer("identity", [given("INPUT0", row(4))], compression_algorithm=algorithm)
    assert np.array_equal(result.as_numpy("OUTPUT0"), row(8))


def test_a_stream_of_requests_and_of_answers(client: triton.InferenceServerClient) -> None:
    answers = Answers()
    client.start_stream(answers)
    for number in range(20):
        client.async_stream_infer("identity", [given("INPUT0", row(number))], request_id=str(number), model_version="1")
    results = [answers.result() for _ in range(20)]
    assert {int(result.get_response().id): result.as_numpy("OUTPUT0")[0, 0] for result in results} == {n: n for n in range(20)}
    numbers = given("IN", np.arange(5, dtype=np.int32), "INT32")
    client.async_stream_infer("repeat", [numbers], request_id="many", enable_empty_final_response=True)
    repeated = [answers.result() for _ in range(6)]
    assert [result.as_numpy("OUT")[0] for result in repeated[:5]] == [0, 1, 2, 3, 4]
    final = [result.get_response().parameters["triton_final_response"].bool_param for result in repeated]
    assert final == [False] * 5 + [True]
    client.async_stream_infer("nobody", [numbers])
    assert "'nobody' does not exist" in answers.error().message()
    client.async_stream_infer("repeat", [given("IN", np.zeros(0, np.int32), "INT32")], enable_empty_final_response=True)
    assert not answers.result().get_response().outputs
    client.stop_stream()


def test_a_decoupled_model_must_be_streamed(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="ModelStreamInfer"):
        client.infer("repeat", [given("IN", np.arange(5, dtype=np.int32), "INT32")])


def test_tensors_in_shared_memory(client: triton.InferenceServerClient) -> None:
    key, values = f"/jubako-{uuid.uuid4().hex}", row(*range(256))
    region = shm.create_shared_memory_region("both", key, 2 * values.nbytes)
    try:
        shm.set_shared_memory_region(region, [values])
        client.register_system_shared_memory("both", key, 2 * values.nbytes)
        status = client.get_system_shared_memory_status(as_json=True)["regions"]["both"]
        assert (status["key"], int(status["byte_size"])) == (key, 2 * values.nbytes)
        tensor, wanted = triton.InferInput("INPUT0", [1, 256], "FP32"), triton.InferRequestedOutput("OUTPUT0")
        tensor.set_shared_memory("both", values.nbytes)
        wanted.set_shared_memory("both", values.nbytes, values.nbytes)
        result = client.infer("identity", [tensor], outputs=[wanted], model_version="2")
        assert list(result.get_output("OUTPUT0").shape) == [1, 256]
        written = shm.get_contents_as_numpy(region, np.float32, [1, 256], values.nbytes)
        assert np.array_equal(written, values * 2)
        client.unregister_system_shared_memory("both")
        with pytest.raises(InferenceServerException, match="'both', which is not registered"):
            client.infer("identity", [tensor])
    finally:
        client.unregister_system_shared_memory()
        shm.destroy_shared_memory_region(region)


def test_large_tensors(client: triton.InferenceServerClient) -> None:
    values = np.random.default_rng(1).random((2, 2_000_000), dtype=np.float32)
    result = client.infer("identity", [given("INPUT0", values)], model_version="1")
    assert np.array_equal(result.as_numpy("OUTPUT0"), values)


def test_a_model_of_text(client: triton.InferenceServerClient) -> None:
    text = given("text_input", np.array([b"Hello there"], object), "BYTES")
    assert b"Hello there" in client.infer("echo", [text]).as_numpy("text_output").ravel()[0]


# --- the repository ---------------------------------------------------------------------------------------------------------


def test_the_index_and_unloading_and_loading(client: triton.InferenceServerClient) -> None:
    def states(model: str) -> list[tuple[str, str]]:
        models = client.get_model_repository_index().models
        return [(found.version, found.state) for found in models if found.name == model]

    assert states("identity") == [("1", "READY"), ("2", "READY")]
    client.unload_model("types")
    assert {state for _, state in states("types")} == {"UNAVAILABLE"}
    assert not client.is_model_ready("types")
    client.load_model("types")
    assert states("types") == [("1", "READY")]
    with pytest.raises(InferenceServerException, match="nobody"):
        client.load_model("nobody")
    with pytest.raises(InferenceServerException, match="'config' is not supported"):
        client.load_model("types", config="{}")


# --- asyncio ----------------------------------------------------------------------------------------------------------------


async def test_the_client_for_asyncio(aio_client: triton_aio.InferenceServerClient) -> None:
    assert await aio_client.is_model_ready("identity")
    result = await aio_client.infer("identity", [given("INPUT0", row(1, 2))], model_version="1", client_timeout=60)
    assert np.array_equal(result.as_numpy("OUTPUT0"), row(1, 2))

    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number in range(3):
            numbers = np.arange(number, dtype=np.int32)
            yield {"model_name": "repeat", "inputs": [given("IN", numbers, "INT32")], "request_id": str(number)}

    seen = [(result.get_response().id, error) async for result, error in aio_client.stream_infer(requests())]
    assert sorted(seen) == [("1", None), ("2", None), ("2", None)]
