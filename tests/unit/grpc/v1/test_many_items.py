"""Requests of more items than any caller has: they are refused by number, in the words of HTTP's."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from jubako.dataplane.limits import MAX_ITEMS
from jubako.grpc.encoding import MOST_VALUES
from jubako.protos import jubako_v1 as pb
from jubako.settings import Settings
from tests.unit.grpc.conftest import Serving
from tests.unit.grpc.v1.stubs import ask, said

USER = pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="")])
HALF = MAX_ITEMS // 2


@pytest.fixture
def settings() -> Settings:
    return Settings(access_log=False)


def chat(*messages: pb.Message, **fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(model="talk", messages=messages, **fields)


def parts(number: int) -> pb.Message:
    return pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="a")] * number)


def variables(number: int) -> Struct:
    return Struct(fields={"a": Value(list_value=ListValue(values=[Value(bool_value=True)] * number))})


async def refusal(channel: grpc.aio.Channel, request: pb.ChatRequest) -> tuple[str, str]:
    """The field at fault, and the sentence."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, "ChatService/Complete", request, pb.ChatResponse)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]  # it takes asyncio's too
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    return bad.field_violations[0].field, caught.value.details() or ""


TOO_MANY = {
    "messages": (chat(*[USER] * (MAX_ITEMS + 1)), "messages"),
    "parts": (chat(parts(MAX_ITEMS)), "messages[0].content"),
    "parts of all": (chat(parts(HALF), parts(HALF)), "messages[1].content"),
    "calls": (
        chat(pb.Message(role=pb.ROLE_ASSISTANT, tool_calls=[pb.ToolCall(id="a", name="a")] * MAX_ITEMS)),
        "messages[0].tool_calls",
    ),
    "variables": (chat(USER, chat_template_kwargs=variables(MAX_ITEMS)), "chat_template_kwargs"),
}


@pytest.mark.parametrize("name", TOO_MANY)
async def test_more_items_than_are_taken_are_refused(channel: grpc.aio.Channel, serving: Serving, name: str) -> None:
    request, param = TOO_MANY[name]
    field, sentence = await refusal(channel, request)
    assert field == param
    assert sentence == f"The request has more items than {MAX_ITEMS}, the most that are taken, with those in {param!r}."
    assert serving.plane.asked == []


@pytest.mark.parametrize(
    "request_",
    [
        chat(*[USER] * MAX_ITEMS),
        chat(parts(HALF - 1), parts(HALF - 1)),
        chat(USER, chat_template_kwargs=variables(MAX_ITEMS - 1)),
    ],
)
async def test_as_many_as_are_taken_are_taken(channel: grpc.aio.Channel, serving: Serving, request_: pb.ChatRequest) -> None:
    await ask(channel, "ChatService/Complete", request_, pb.ChatResponse)
    assert len(serving.plane.asked) == 1


TOO_MANY_TO_READ = {
    "messages": pb.ChatRequest(model="talk", messages=[pb.Message()] * (MOST_VALUES + 1)),
    "tools": said("a", tools=[pb.Tool()] * (MOST_VALUES + 1)),
    "sampling": said("a", sampling=pb.Sampling(stop=["a"] * (MOST_VALUES + 1))),
    "chat_template_kwargs": said("a", chat_template_kwargs=variables(MOST_VALUES)),
}


@pytest.mark.parametrize("field", TOO_MANY_TO_READ)
async def test_more_values_than_protobuf_should_read_are_not_given_to_it(
    channel: grpc.aio.Channel, serving: Serving, field: str
) -> None:
    sentence = f"The message has more than {MOST_VALUES} values, up to those in {field!r}. Send fewer at a time."
    assert await refusal(channel, TOO_MANY_TO_READ[field]) == (field, sentence)
    assert serving.plane.asked == []


async def test_one_long_text_and_many_token_ids_are_few_values(channel: grpc.aio.Channel, serving: Serving) -> None:
    text = "a" * (4 * MOST_VALUES)
    await ask(channel, "ChatService/Complete", said(text), pb.ChatResponse)
    tokens = pb.Prompt(tokens=pb.TokenIds(ids=[1] * (4 * MOST_VALUES)))
    await ask(channel, "CompletionService/Complete", pb.CompletionRequest(model="talk", prompts=[tokens]), pb.CompletionResponse)
    assert len(serving.plane.asked) == 2


async def test_stop_token_ids_are_counted_before_they_are_looked_at(channel: grpc.aio.Channel) -> None:
    sampling = pb.Sampling(stop_token_ids=[1] * 65)
    sentence = "'sampling.stop_token_ids' has 65 entries; at most 64 are taken."
    assert await refusal(channel, said("a", sampling=sampling)) == ("sampling.stop_token_ids", sentence)


@pytest.mark.parametrize(
    "end",
    [b"\x7b\x7c" * 40_000, b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 80_000],
    ids=["groups", "no length", "too long", "no number"],
)
async def test_a_large_message_that_is_none_is_refused(channel: grpc.aio.Channel, serving: Serving, end: bytes) -> None:
    raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/jubako.v1.ChatService/Complete", bytes, bytes)
    with pytest.raises(grpc.aio.AioRpcError, match=r"no jubako\.v1\.ChatRequest") as caught:
        await raw(said("a" * 80_000).SerializeToString() + end, timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert serving.plane.asked == []
