"""tritonclient over HTTP, unchanged, against a real server: Triton's own client can't tell the difference."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException

from tests.serving import Server

ARRAYS: dict[str, Any] = {
    "BOOL": np.array([True, False, True]),
    "UINT8": np.array([0, 7, 255], np.uint8),
    "UINT16": np.array([0, 7, 65535], np.uint16),
    "UINT32": np.array([0, 7, 2**32 - 1], np.uint32),
    "UINT64": np.array([0, 7, 2**64 - 1], np.uint64),
    "INT8": np.array([-128, 0, 127], np.int8),
    "INT16": np.array([-32768, 0, 32767], np.int16),
    "INT32": np.array([-(2**31), 0, 2**31 - 1], np.int32),
    "INT64": np.array([-(2**63), 0, 2**63 - 1], np.int64),
    "FP16": np.array([-0.5, 0, 65504], np.float16),
    "BF16": np.array([-0.5, 0, 1.5], ml_dtypes.bfloat16),
    "FP32": np.array([-0.1, 0, 3e38], np.float32),
    "FP64": np.array([-0.1, 0, 1e300], np.float64),
    "BYTES": np.array([b"", "Größe".encode(), b"\x00\n"], object),
}
BINARY_ONLY = {"BF16"}
"""What the client itself sends only as binary data."""


@pytest.fixture
def client(tensor_server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{tensor_server.port}", concurrency=4) as client:
        yield client


@pytest.fixture
async def aio_client(tensor_server: Server) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{tensor_server.port}") as client:
        yield client


def given(name: str, array: Any, datatype: str = "FP32", *, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    return tensor.set_data_from_numpy(array, binary_data=binary)


def row(*values: float) -> Any:
    return np.array([values], np.float32)


# --- what there is ----------------------------------------------------------------------------------------------------------


def test_the_server_and_its_models(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("identity")
    assert client.is_model_ready("identity", "1")
    assert not client.is_model_ready("identity", "9")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "jubako"
    metadata = client.get_model_metadata("identity")
    assert metadata["versions"] == ["1", "2"]
    assert metadata["inputs"] == [{"name": "INPUT0", "datatype": "FP32", "shape": [-1, -1]}]
    config = client.get_model_config("identity", "2")
    assert (config["name"], config["max_batch_size"]) == ("identity", 8)
    assert config["input"][0]["data_type"] == "TYPE_FP32"


def test_a_model_of_text_has_the_tensors_of_text(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("Org/Echo-1B")
    assert "text_input" in [tensor["name"] for tensor in metadata["inputs"]]
    assert "text_output" in [tensor["name"] for tensor in metadata["outputs"]]
    assert client.get_model_config("Org/Echo-1B")["max_batch_size"] == 0


def test_unknown_versions_and_models(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"no version 9.* 1, 2"):
        client.get_model_metadata("identity", "9")
    with pytest.raises(InferenceServerException, match="'nobody'") as raised:
        client.infer("nobody", [given("INPUT0", row(1))])
    assert raised.value.status() == "404"


# --- inference --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_every_datatype_there_and_back(client: triton.InferenceServerClient, binary_in: bool, binary_out: bool) -> None:
    inputs = [given(f"IN_{name}", a, name, binary=binary_in or name in BINARY_ONLY) for name, a in ARRAYS.items()]
    outputs = [triton.InferRequestedOutput(f"OUT_{name}", binary_data=binary_out or name in BINARY_ONLY) for name in ARRAYS]
    result = client.infer("types", inputs, outputs=outputs)
    for name, array in ARRAYS.items():
        got = result.as_numpy(f"OUT_{name}")
        expected = [v.decode() for v in array] if name == "BYTES" and not binary_out else array.tolist()
        assert got.tolist() == expected, name


def test_all_outputs_come_as_binary_where_none_is_named(client: triton.InferenceServerClient) -> None:
    result = client.infer("identity", [given("INPUT0", row(1, 2))], model_version="2", request_id="seven")
    assert result.get_response()["id"] == "seven"
    assert (result.get_response()["model_name"], result.get_response()["model_version"]) == ("identity", "2")
    assert result.get_output("OUTPUT0")["parameters"] == {"binary_data_size": 8}
    assert result.as_numpy("OUTPUT0").tolist() == [[2, 4]]


def test_an_empty_tensor(client: triton.InferenceServerClient) -> None:
    result = client.infer("identity", [given("INPUT0", np.zeros((1, 0), np.float32))])
    assert result.as_numpy("OUTPUT0").shape == (1, 0)


def test_classification(client: triton.InferenceServerClient) -> None:
    for binary in (True, False):
        wanted = triton.InferRequestedOutput("OUTPUT0", binary_data=binary, class_count=2)
        result = client.infer("identity", [given("INPUT0", row(0.25, 4, 1))], model_version="1", outputs=[wanted])
        classes = [str(value.decode() if binary else value).split(":") for value in result.as_numpy("OUTPUT0")[0]]
        assert [(float(value), index, label) for value, index, label in classes] == [(4, "1", "dog"), (1, "2", "bird")]


def test_parameters_priority_and_sequence(client: triton.InferenceServerClient) -> None:
    result = client.infer(
        "identity",
        [given("INPUT0", row(3))],
        model_version="1",
        priority=1,
        timeout=5_000_000,
        sequence_id=5,
        sequence_start=True,
        parameters={"flag": True, "text": "x", "number": 5},
    )
    assert result.as_numpy("OUTPUT0").tolist() == [[3]]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(client: triton.InferenceServerClient, algorithm: str) -> None:
    array = np.arange(4096, dtype=np.float32)[None]
    for binary in (True, False):
        result = client.infer(
            "identity",
            [given("INPUT0", array, binary=binary)],
            model_version="1",
            outputs=[triton.InferRequestedOutput("OUTPUT0", binary_data=binary)],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        assert (result.as_numpy("OUTPUT0") == array).all()


def test_requests_without_waiting(client: triton.InferenceServerClient) -> None:
    waiting = [client.async_infer("identity", [given("INPUT0", row(i))], model_version="1") for i in range(20)]
    assert [request.get_result().as_numpy("OUTPUT0")[0, 0] for request in waiting] == list(range(20))


def test_a_request_whose_time_in_the_queue_is_over(client: triton.InferenceServerClient) -> None:
    client.infer("slow", [given("SECONDS", np.array([0], np.float32))])  # what others have left there is over
    # Each on a connection of its own, at once: whichever comes second waits behind the first.
    waiting = [client.async_infer("slow", [given("SECONDS", np.array([4], np.float32))], timeout=1_000_000) for _ in range(2)]
    statuses = []
    for request in waiting:
        try:
            assert request.get_result().as_numpy("SECONDS").tolist() == [4]
            statuses.append("200")
        except InferenceServerException as error:
            statuses.append(error.status())
    assert sorted(statuses) == ["200", "504"]


@pytest.mark.parametrize(
    ("tensors", "part"),
    [
        ([given("INPUT9", row(1))], "INPUT9"),
        ([given("INPUT0", np.array([[1]], np.int32), "INT32")], "FP32"),
        ([given("INPUT0", np.ones(3, np.float32))], "shape"),
        ([], "INPUT0"),
    ],
)
def test_a_wrong_request(client: triton.InferenceServerClient, tensors: list[triton.InferInput], part: str) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.infer("identity", tensors)
    assert raised.value.status() == "400"
    assert part in raised.value.message()


def test_a_decoupled_model_over_plain_infer(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="generate_stream"):
        client.infer("repeat", [given("IN", np.array([1], np.int32), "INT32")])


# --- generate, which the client leaves to plain requests ---------------------------------------------------------------------


def test_generate(tensor_server: Server) -> None:
    url = f"{tensor_server.url}/v2/models"
    answer = httpx.post(f"{url}/echo/generate", json={"text_input": "one two", "max_tokens": 16}, timeout=60).json()
    assert "two" in answer["text_output"]
    assert answer["model_name"] == "echo"
    assert httpx.post(f"{url}/identity/versions/2/generate", json={"INPUT0": [1, 2.5]}, timeout=60).json()["OUTPUT0"] == [2, 5]
    response = httpx.post(f"{url}/repeat/generate_stream", json={"IN": [1, 2, 3]}, timeout=60)
    events = [json.loads(event.removeprefix("data: ")) for event in response.text.split("\n\n") if event]
    assert [event["OUT"] for event in events] == [1, 2, 3]
    streamed = httpx.post(f"{url}/echo/generate_stream", json={"text_input": "one two", "max_tokens": 16}, timeout=60)
    assert "two" in "".join(
        json.loads(event.removeprefix("data: "))["text_output"] for event in streamed.text.split("\n\n") if event
    )


# --- shared memory ----------------------------------------------------------------------------------------------------------


def test_tensors_in_shared_memory(client: triton.InferenceServerClient) -> None:
    array = np.arange(16, dtype=np.float32)[None]
    key = f"/jubako-{uuid.uuid4().hex[:12]}"
    handle = shm.create_shared_memory_region("region", key, 128)
    try:
        shm.set_shared_memory_region(handle, [array])
        client.register_system_shared_memory("region", key, 128)
        assert client.get_system_shared_memory_status("region")[0]["key"] == key
        tensor = triton.InferInput("INPUT0", [1, 16], "FP32")
        tensor.set_shared_memory("region", 64)
        wanted = triton.InferRequestedOutput("OUTPUT0")
        wanted.set_shared_memory("region", 64, offset=64)
        result = client.infer("identity", [tensor], model_version="2", outputs=[wanted])
        output = result.get_output("OUTPUT0")
        assert output["parameters"]["shared_memory_region"] == "region"
        assert (shm.get_contents_as_numpy(handle, np.float32, [1, 16], offset=64) == array * 2).all()
        tensor.set_shared_memory("region", 64, offset=100)
        with pytest.raises(InferenceServerException, match="beyond"):
            client.infer("identity", [tensor])
        client.unregister_system_shared_memory("region")
        assert client.get_system_shared_memory_status() == []
        with pytest.raises(InferenceServerException, match="not registered"):
            client.infer("identity", [tensor])
    finally:
        client.unregister_system_shared_memory()
        shm.destroy_shared_memory_region(handle)


def test_cuda_memory_is_refused_but_cleaning_up_is_not(client: triton.InferenceServerClient) -> None:
    client.unregister_cuda_shared_memory()
    assert client.get_cuda_shared_memory_status() == []
    with pytest.raises(InferenceServerException, match="no CUDA"):
        client.register_cuda_shared_memory("region", b"handle", 0, 64)


# --- the repository, statistics, settings -----------------------------------------------------------------------------------


def test_the_repository(client: triton.InferenceServerClient) -> None:
    index = {(entry["name"], entry["version"]): entry["state"] for entry in client.get_model_repository_index()}
    assert index["identity", "1"] == index["identity", "2"] == "READY"
    client.unload_model("repeat")
    assert not client.is_model_ready("repeat")
    states = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert states["repeat"]["state"] == "UNAVAILABLE"
    client.load_model("repeat")
    assert client.is_model_ready("repeat")
    with pytest.raises(InferenceServerException, match="'config'"):
        client.load_model("repeat", config="{}")
    with pytest.raises(InferenceServerException, match="nobody"):
        client.load_model("nobody")


def test_statistics_count_requests(client: triton.InferenceServerClient) -> None:
    def stats() -> dict[str, Any]:
        (found,) = client.get_inference_statistics("identity", "1")["model_stats"]
        return dict(found)

    before = stats()
    client.infer("identity", [given("INPUT0", np.ones((4, 1), np.float32))], model_version="1")
    after = stats()
    assert after["inference_count"] - before["inference_count"] == 4
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"] == 1
    assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    assert after["last_inference"] > 1_600_000_000_000
    assert 4 in [batch["batch_size"] for batch in after["batch_stats"]]
    everything = {(found["name"], found["version"]) for found in client.get_inference_statistics()["model_stats"]}
    assert {("identity", "1"), ("identity", "2"), ("types", "1")} <= everything


def test_trace_and_log_settings(client: triton.InferenceServerClient) -> None:
    assert client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]})["trace_level"] == ["TIMESTAMPS"]
    assert client.update_trace_settings("identity", {"trace_rate": "7"})["trace_rate"] == "7"
    assert client.get_trace_settings("identity")["trace_level"] == ["TIMESTAMPS"]
    assert client.update_trace_settings(settings={"trace_level": None})["trace_level"] == ["OFF"]
    assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
    assert client.update_log_settings({"log_verbose_level": 0})["log_verbose_level"] == 0
    assert client.get_log_settings()["log_info"] is True


# --- the asynchronous client ------------------------------------------------------------------------------------------------


async def test_the_asynchronous_client(aio_client: triton_aio.InferenceServerClient) -> None:
    assert await aio_client.is_server_ready()
    assert (await aio_client.get_model_metadata("identity"))["name"] == "identity"
    results = await asyncio.gather(
        *(aio_client.infer("identity", [given("INPUT0", row(i))], model_version="1", request_id=str(i)) for i in range(20))
    )
    assert [result.as_numpy("OUTPUT0")[0, 0] for result in results] == list(range(20))
    assert results[7].get_response()["id"] == "7"
    result = await aio_client.infer(
        "identity",
        [given("INPUT0", row(1), binary=False)],
        model_version="1",
        outputs=[triton.InferRequestedOutput("OUTPUT0", binary_data=False)],
        request_compression_algorithm="gzip",
        response_compression_algorithm="deflate",
    )
    assert result.as_numpy("OUTPUT0").tolist() == [[1]]
    with pytest.raises(InferenceServerException, match="INPUT9"):
        await aio_client.infer("identity", [given("INPUT9", row(1))])
