"""What errors say beside their sentence, as grpcio's own library reads it."""

from __future__ import annotations

from typing import cast

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as pb
from grpc_status import rpc_status

from jubako.errors import (
    InvalidRequest,
    JubakoError,
    ModelNotReady,
    Overloaded,
    PromptTooLong,
)
from jubako.protos import inference, jubako_v1
from tests.unit.grpc.conftest import Serving, unary
from tests.unit.grpc.peer import PATIENCE_S
from tests.unit.grpc.v1.stubs import ask, said, stream

KINDS = {kind.DESCRIPTOR.full_name: kind for kind in (pb.ErrorInfo, pb.BadRequest, pb.RetryInfo, pb.ResourceInfo)}


async def failure(channel: grpc.aio.Channel, method: str, message: Message) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(channel, method)(message.SerializeToString(), timeout=PATIENCE_S)
    return caught.value


def details_of(error: grpc.aio.AioRpcError) -> list[Message]:
    """Those of google.rpc, each as its own kind."""
    status = rpc_status.from_call(cast(grpc.Call, error))  # raises unless code and sentence are those of the call
    assert status is not None
    found = []
    for detail in status.details:
        found.append(KINDS[detail.TypeName()]())
        assert detail.Unpack(found[-1])
    return found


def infer(model: str = "identity", size: int = 16) -> inference.ModelInferRequest:
    message = inference.ModelInferRequest(model_name=model, raw_input_contents=[bytes(4 * size)])
    message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 16])
    return message


async def test_a_model_that_does_not_exist(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "ModelInfer", infer("nope"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert details_of(error) == [
        pb.ErrorInfo(reason="model_not_found", domain="jubako"),
        pb.ResourceInfo(resource_type="jubako.Model", resource_name="nope", description=error.details()),
    ]


async def test_a_version_that_does_not_exist(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "ModelMetadata", inference.ModelMetadataRequest(name="identity", version="7"))
    assert details_of(error)[1].resource_name == "identity:7"  # type: ignore[attr-defined]


async def test_a_field_at_fault(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "ModelInfer", infer(size=3))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    violation = pb.BadRequest.FieldViolation(field="INPUT0", description=error.details())
    assert details_of(error) == [
        pb.ErrorInfo(reason="invalid_request", domain="jubako"),
        pb.BadRequest(field_violations=[violation]),
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Overloaded("Full.", retry_after_s=1.25), [pb.RetryInfo(retry_delay={"seconds": 1, "nanos": 250_000_000})]),
        (ModelNotReady("Not yet.", retry_after_s=0), [pb.RetryInfo(retry_delay={})]),
        (ModelNotReady("Not yet."), []),
        (ModelNotReady("Not yet.", retry_after_s=86_400), [pb.RetryInfo(retry_delay={"seconds": 86_400})]),
        (PromptTooLong("Too long."), []),
        (
            InvalidRequest("Wrong.", param="messages[0].content", code="odd"),
            [pb.BadRequest(field_violations=[{"field": "messages[0].content", "description": "Wrong."}])],
        ),
    ],
)
async def test_what_each_error_carries(
    channel: grpc.aio.Channel, serving: Serving, error: JubakoError, expected: list[Message]
) -> None:
    serving.plane.fail_before = error
    seen = await failure(channel, "ModelInfer", infer())
    assert details_of(seen) == [pb.ErrorInfo(reason=error.code or "", domain="jubako"), *expected]


async def test_errors_without_a_code_have_the_name_of_their_kind(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.fail_before = RuntimeError("oops")
    error = await failure(channel, "ModelInfer", infer())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert details_of(error) == [pb.ErrorInfo(reason="internal_error", domain="jubako")]


async def test_a_message_that_is_too_large(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "ModelInfer", infer(size=300_000))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(error) == [pb.ErrorInfo(reason="payload_too_large", domain="jubako")]


@pytest.mark.parametrize("letter", ["x", "%", "é", "重", "\U0001f371", "\n", "\udc80"])
@pytest.mark.parametrize("length", [100, 1000, 1900, 100_000])
async def test_what_is_too_much_for_a_client_is_left_out(
    channel: grpc.aio.Channel, serving: Serving, letter: str, length: int
) -> None:
    serving.plane.fail_before = InvalidRequest(f"Wrong: {length * letter}", param="INPUT0")
    error = await failure(channel, "ModelInfer", infer())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith("Wrong: ")
    if length == 100_000:
        assert (error.details() or "").endswith("...")
    details = details_of(error)
    assert details[0] == pb.ErrorInfo(reason="invalid_request", domain="jubako")
    if length < 200:
        assert len(details) == 2


@pytest.mark.parametrize("method", ["Complete", "Stream"])
async def test_chats_carry_them_too(channel: grpc.aio.Channel, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await first_answer(channel, method, said("hello", model="nope"))
    description = caught.value.details()
    assert details_of(caught.value) == [
        pb.ErrorInfo(reason="model_not_found", domain="jubako"),
        pb.ResourceInfo(resource_type="jubako.Model", resource_name="nope", description=description),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await first_answer(channel, method, said("hello", n=100_000))
    violation = pb.BadRequest.FieldViolation(field="n", description=caught.value.details())
    assert details_of(caught.value)[1:] == [pb.BadRequest(field_violations=[violation])]


async def test_a_stream_that_has_begun_ends_with_them(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.fail_after = ModelNotReady("Gone.", retry_after_s=2)
    answers = stream(channel, "ChatService/Stream", said("hello"), jubako_v1.ChatChunk)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        assert [answer async for answer in answers]
    assert details_of(caught.value)[1:] == [pb.RetryInfo(retry_delay={"seconds": 2})]


async def first_answer(channel: grpc.aio.Channel, method: str, request: jubako_v1.ChatRequest) -> None:
    if method == "Stream":
        await anext(aiter(stream(channel, "ChatService/Stream", request, jubako_v1.ChatChunk)))
    else:
        await ask(channel, "ChatService/Complete", request, jubako_v1.ChatResponse)


async def test_a_call_that_succeeds_has_none(channel: grpc.aio.Channel) -> None:
    call = unary(channel, "ModelInfer")(infer().SerializeToString())
    await call
    assert "grpc-status-details-bin" not in dict(await call.trailing_metadata())
