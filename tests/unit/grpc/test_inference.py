"""Tensors over gRPC, as the official client sends them and as it does not."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from jubako.errors import Overloaded
from jubako.messages import InferRequest, InferResult, RequestedOutput, SharedRegion
from jubako.protos import inference as pb
from jubako.tensors import Region, Tensor
from tests.unit.grpc.conftest import Serving, stream_infer, unary
from tests.unit.grpc.peer import PATIENCE_S

ROW = np.arange(16, dtype=np.float32).reshape(1, 16)
RAW = ROW.tobytes()
FP31 = pb.ModelInferRequest.InferInputTensor(datatype="FP31")


def row() -> triton.InferInput:
    given = triton.InferInput("INPUT0", [1, 16], "FP32")
    given.set_data_from_numpy(ROW)
    return given


def request(**fields: object) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name="identity")
    message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 16])
    message.MergeFrom(pb.ModelInferRequest(**fields))  # type: ignore[arg-type]
    return message


async def infer(channel: grpc.aio.Channel, message: pb.ModelInferRequest) -> pb.ModelInferResponse:
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=pb.ModelInferRequest.SerializeToString,
        response_deserializer=pb.ModelInferResponse.FromString,
    )
    answer: pb.ModelInferResponse = await call(message, timeout=PATIENCE_S)
    return answer


async def refusal(channel: grpc.aio.Channel, message: pb.ModelInferRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await infer(channel, message)
    return caught.value.code(), caught.value.details() or ""


def asked(serving: Serving) -> InferRequest:
    last = serving.plane.asked[-1]
    assert isinstance(last, InferRequest)
    return last


async def test_tensors_come_back_with_the_id_and_the_version(client: triton.InferenceServerClient) -> None:
    result = await client.infer("identity", [row()], request_id="seven", model_version="1")
    assert np.array_equal(result.as_numpy("INPUT0"), ROW)
    assert (result.get_response().id, result.get_response().model_version) == ("seven", "1")


async def test_parameters_reach_the_model_and_those_of_the_queue_the_batcher(
    client: triton.InferenceServerClient, serving: Serving
) -> None:
    parameters = {"a": 3, "b": "text", "c": True}
    await client.infer("identity", [row()], priority=2, timeout=5000, parameters=parameters)
    assert asked(serving).parameters == parameters
    assert (asked(serving).priority, asked(serving).timeout_us) == (2, 5000)


async def test_outputs_are_asked_for_by_name_and_as_classes(client: triton.InferenceServerClient, serving: Serving) -> None:
    outputs = [triton.InferRequestedOutput("INPUT0", class_count=3), triton.InferRequestedOutput("text_input")]
    await client.infer("identity", [row()], outputs=outputs)
    assert asked(serving).outputs == [RequestedOutput("INPUT0", 3), RequestedOutput("text_input")]


async def test_shared_memory_is_a_place_for_inputs_and_outputs(client: triton.InferenceServerClient, serving: Serving) -> None:
    serving.plane.shared = [SharedRegion(name="r", key="/key", byte_size=256, offset=64)]
    serving.plane.inferred = InferResult(outputs=[Tensor("OUT", "FP32", [1, 16], b"", Region("/key", 192, 64))])
    given, wanted = row(), triton.InferRequestedOutput("OUT")
    given.set_shared_memory("r", 64, 64)
    wanted.set_shared_memory("r", 64, 128)
    result = await client.infer("identity", [given], outputs=[wanted])
    assert asked(serving).inputs[0].region == Region("/key", 128, 64)
    assert asked(serving).outputs[0].region == Region("/key", 192, 64)
    parameters = result.get_output("OUT").parameters
    assert parameters["shared_memory_region"].string_param == "r"
    assert parameters["shared_memory_byte_size"].int64_param == 64
    given.set_shared_memory("r", 64, 200)
    with pytest.raises(InferenceServerException, match="'INPUT0' of 64 bytes at offset 200 reaches beyond"):
        await client.infer("identity", [given])
    given.set_shared_memory("nowhere", 64)
    with pytest.raises(InferenceServerException, match="'nowhere', which is not registered"):
        await client.infer("identity", [given])


@pytest.mark.parametrize(
    ("datatype", "field", "values", "raw"),
    [
        ("BOOL", "bool_contents", [True, False], b"\x01\x00"),
        ("INT8", "int_contents", [-1, 2], b"\xff\x02"),
        ("INT16", "int_contents", [-1, 2], struct.pack("<2h", -1, 2)),
        ("INT32", "int_contents", [-1, 2], struct.pack("<2i", -1, 2)),
        ("INT64", "int64_contents", [-(2**63), 2], struct.pack("<2q", -(2**63), 2)),
        ("UINT8", "uint_contents", [255, 2], b"\xff\x02"),
        ("UINT16", "uint_contents", [65535, 2], struct.pack("<2H", 65535, 2)),
        ("UINT32", "uint_contents", [2**32 - 1, 2], struct.pack("<2I", 2**32 - 1, 2)),
        ("UINT64", "uint64_contents", [2**64 - 1, 2], struct.pack("<2Q", 2**64 - 1, 2)),
        ("FP32", "fp32_contents", [0.5, float("inf")], struct.pack("<2f", 0.5, float("inf"))),
        ("FP64", "fp64_contents", [0.1, 2], struct.pack("<2d", 0.1, 2)),
        ("BYTES", "bytes_contents", [b"ab", b""], b"\x02\0\0\0ab\0\0\0\0"),
    ],
)
async def test_typed_contents(
    channel: grpc.aio.Channel, serving: Serving, *, datatype: str, field: str, values: list[object], raw: bytes
) -> None:
    message = pb.ModelInferRequest(model_name="identity")
    given = message.inputs.add(name="x", datatype=datatype, shape=[2])
    getattr(given.contents, field).extend(values)
    answer = await infer(channel, message)
    assert bytes(asked(serving).inputs[0].data) == raw
    assert answer.raw_output_contents == [raw]


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
async def test_half_floats_are_raw(channel: grpc.aio.Channel, datatype: str) -> None:
    message = pb.ModelInferRequest(model_name="identity", raw_input_contents=[b"\1\2\3\4"])
    given = message.inputs.add(name="x", datatype=datatype, shape=[2])
    assert (await infer(channel, message)).raw_output_contents == [b"\1\2\3\4"]
    del message.raw_input_contents[:]
    given.contents.fp32_contents.extend([1.0, 2.0])
    assert await refusal(channel, message) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        f"The input 'x' is {datatype}, which has no typed contents. Put it into raw_input_contents.",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda m: m.raw_input_contents.append(RAW[:-4]),
            "'INPUT0' of shape [1, 16] and datatype FP32 must have 64 bytes; 60 came",
        ),
        (lambda m: m.raw_input_contents.extend([RAW, RAW]), "There are 2 raw_input_contents, and 1 inputs that take one"),
        (lambda m: None, "The input 'INPUT0' has no contents"),
        (lambda m: m.inputs[0].contents.int_contents.append(1), "belong into fp32_contents; they came in int_contents"),
        (lambda m: m.inputs[0].contents.fp32_contents.extend([1.0] * 15), "must have 64 bytes; 60 came"),
        (lambda m: (m.raw_input_contents.append(RAW), m.inputs[0].contents.fp32_contents.append(1)), "Use one of them"),
        (lambda m: (m.raw_input_contents.append(RAW), m.inputs[0].shape.__setitem__(0, -1)), "has a negative dimension"),
        (lambda m: (m.raw_input_contents.append(RAW), m.inputs[0].shape.__setitem__(0, 2**40)), "more elements than any request"),
        (
            lambda m: (m.raw_input_contents.append(RAW), m.inputs[0].shape.extend([2**40] * 80_000)),
            "has 80002 dimensions; a tensor",
        ),
        (lambda m: [m.inputs.add(name=str(number)) for number in range(5000)], "more inputs, outputs or parameters than 4096"),
        (lambda m: setattr(m, "model_name", "e" * 900_000), "at most 512 characters; 900000 came"),
        (lambda m: m.inputs.add(name="e" * 900_000), "The input 'INPUT0' has no contents"),
        (lambda m: (m.raw_input_contents.append(RAW), m.inputs[0].MergeFrom(FP31)), "There is no datatype 'FP31'"),
        (lambda m: (m.raw_input_contents.append(RAW), m.parameters["x"].Clear()), "The parameter 'x' has no value"),
    ],
)
async def test_what_is_wrong_is_said(channel: grpc.aio.Channel, serving: Serving, change: object, words: str) -> None:
    assert callable(change)
    message = request()
    change(message)
    code, details = await refusal(channel, message)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in details
    assert not serving.plane.asked


async def test_a_typed_value_out_of_range_is_named(channel: grpc.aio.Channel) -> None:
    message = pb.ModelInferRequest(model_name="identity")
    message.inputs.add(name="x", datatype="INT8", shape=[2]).contents.int_contents.extend([1, 300])
    _, details = await refusal(channel, message)
    assert details == "The input 'x' holds 300, which is no INT8."


async def test_unknown_models_and_versions_are_named(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="'nope' does not exist") as caught:
        await client.infer("nope", [row()])
    assert caught.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException, match=r"has no version 9; it has 1, 3"):
        await client.infer("identity", [row()], model_version="9")


async def test_an_error_has_its_code_and_any_letters(client: triton.InferenceServerClient, serving: Serving) -> None:
    serving.plane.fail_before = Overloaded("The queue is full: 100 %, 満.\n")
    with pytest.raises(InferenceServerException) as caught:
        await client.infer("identity", [row()])
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert caught.value.message() == "The queue is full: 100 %, 満.\n"


async def test_a_decoupled_model_must_be_streamed(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="Use ModelStreamInfer") as caught:
        await client.infer("many", [row()])
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


async def test_requests_of_a_stream_are_answered_side_by_side_and_errors_do_not_end_it(
    client: triton.InferenceServerClient, serving: Serving
) -> None:
    serving.plane.answers = 2

    async def requests() -> AsyncIterator[dict[str, object]]:
        yield {"model_name": "identity", "inputs": [row()], "request_id": "one"}
        yield {"model_name": "identitee", "inputs": [row()], "request_id": "wrong"}
        yield {"model_name": "many", "inputs": [row()], "request_id": "many"}

    seen: dict[str, list[object]] = {}
    async for result, error in client.stream_infer(requests()):
        if error is not None:
            seen.setdefault("error", []).append(error.message())
            continue
        response = result.get_response()
        answer = (len(response.outputs), response.parameters["triton_final_response"].bool_param)
        seen.setdefault(response.id, []).append(answer)
    assert seen == {
        "one": [(1, True)],
        "error": ["The model 'identitee' does not exist. Did you mean 'identity'?"],
        "many": [(1, False), (1, False)],
    }


async def test_a_cancelled_call_ends_the_work(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.gate.clear()
    call = unary(channel, "ModelInfer")(request(raw_input_contents=[RAW]).SerializeToString())
    await asyncio.wait_for(serving.plane.begun.wait(), PATIENCE_S)
    call.cancel()
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


async def test_a_cancelled_stream_ends_the_work(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.gate.clear()
    call = stream_infer(channel)
    await call.write(request(model_name="many", raw_input_contents=[RAW]).SerializeToString())
    await asyncio.wait_for(serving.plane.begun.wait(), PATIENCE_S)
    call.cancel()
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


async def test_a_deadline_ends_the_work(client: triton.InferenceServerClient, serving: Serving) -> None:
    assert await client.is_server_live()  # connected, so that all of the time is the work's
    serving.plane.gate.clear()
    with pytest.raises(InferenceServerException) as caught:
        await client.infer("identity", [row()], client_timeout=2)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_compressed_requests(client: triton.InferenceServerClient, algorithm: str) -> None:
    result = await client.infer("identity", [row()], compression_algorithm=algorithm)
    assert np.array_equal(result.as_numpy("INPUT0"), ROW)


@pytest.mark.parametrize("elements", [16 * 1024, 200_000])
async def test_large_tensors_come_back_whole(client: triton.InferenceServerClient, elements: int) -> None:
    values = np.random.default_rng(1).random((1, elements), dtype=np.float32)
    given = triton.InferInput("INPUT0", [1, elements], "FP32")
    given.set_data_from_numpy(values)
    result = await client.infer("identity", [given, row()])
    assert np.array_equal(result.as_numpy("INPUT0"), values)


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_a_message_that_is_too_large_is_refused(client: triton.InferenceServerClient, compression: str | None) -> None:
    given = triton.InferInput("INPUT0", [1, 300_000], "FP32")
    given.set_data_from_numpy(np.zeros((1, 300_000), np.float32))
    with pytest.raises(InferenceServerException, match="grpc_max_message_bytes") as caught:
        await client.infer("identity", [given], compression_algorithm=compression)
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert await client.is_server_live()


async def test_bytes_that_are_no_message(channel: grpc.aio.Channel) -> None:
    for junk in (b"\xff" * 10, b"\xff" * 100_000):
        with pytest.raises(grpc.aio.AioRpcError, match="The message is no inference") as caught:
            await unary(channel, "ModelInfer")(junk)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_method(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="The server has no method") as caught:
        await unary(channel, "Nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("timeout_s", [45, 600, None])
async def test_the_clients_deadline_goes_with_the_request(
    serving: Serving, channel: grpc.aio.Channel, timeout_s: float | None
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    message = request(raw_input_contents=[RAW])
    message.parameters["timeout"].int64_param = 20
    await unary(channel, "ModelInfer")(message.SerializeToString(), timeout=timeout_s)
    assert asked(serving).timeout_us == 20
    (caller,) = serving.plane.callers
    # Clients round their deadlines up.
    assert caller.deadline == math.inf if timeout_s is None else before < caller.deadline < loop.time() + 1.1 * timeout_s
