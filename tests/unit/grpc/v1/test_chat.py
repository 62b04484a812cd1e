"""ChatService over a data plane in memory: what it asks, and what it makes of what comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from jubako.errors import InstanceLost, ModelNotReady
from jubako.messages import (
    ChatRequest,
    Delta,
    Function,
    FunctionCall,
    Grammar,
    ImagePart,
    ImageUrl,
    JsonObject,
    JsonSchema,
    Message,
    NamedFunction,
    NamedTool,
    RefusalPart,
    SamplingParams,
    TextPart,
    Timings,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from jubako.protos import jubako_v1 as pb
from tests.unit.grpc.conftest import Serving
from tests.unit.grpc.peer import PATIENCE_S
from tests.unit.grpc.v1.stubs import ask, said, stream

SCHEMA = '{"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "string"}}}'


async def complete(channel: grpc.aio.Channel, request: pb.ChatRequest) -> pb.ChatResponse:
    return await ask(channel, "ChatService/Complete", request, pb.ChatResponse)


async def asked(channel: grpc.aio.Channel, serving: Serving, request: pb.ChatRequest) -> ChatRequest:
    """What the plane was asked for `request`."""
    await complete(channel, request)
    last = serving.plane.asked[-1]
    assert isinstance(last, ChatRequest)
    return last


async def refused(channel: grpc.aio.Channel, request: pb.ChatRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await complete(channel, request)
    return caught.value


async def refusal(channel: grpc.aio.Channel, request: pb.ChatRequest) -> tuple[grpc.StatusCode, str]:
    error = await refused(channel, request)
    return error.code(), error.details() or ""


async def test_a_plain_chat_leaves_everything_to_the_model(channel: grpc.aio.Channel, serving: Serving) -> None:
    assert await asked(channel, serving, said("hello")) == ChatRequest(model="talk", messages=[Message("user", "hello")])


async def test_every_field_reaches_the_plane(channel: grpc.aio.Channel, serving: Serving) -> None:
    sampling = pb.Sampling(
        max_tokens=7,
        temperature=0,
        top_p=0.5,
        top_k=-1,
        min_p=0.25,
        presence_penalty=-1,
        frequency_penalty=1,
        repetition_penalty=1.5,
        seed=-3,
        logit_bias={5: -100, 6: 1.5},
        stop=["a", "b"],
        stop_token_ids=[2],
        include_stop_str_in_output=False,
        ignore_eos=True,
    )
    request = said(
        "hello",
        sampling=sampling,
        n=3,
        tools=[pb.Tool(name="look", description="Looks.", parameters=SCHEMA, strict=True), pb.Tool(name="go")],
        tool_choice=pb.ToolChoice(name="go"),
        parallel_tool_calls=False,
        constraint=pb.Constraint(json_schema=SCHEMA),
        top_logprobs=0,
        prompt_logprobs=4,
        chat_template_kwargs={"enable_thinking": False, "count": 3, "share": 0.5, "list": [None, {"a": "b"}]},
        reasoning_effort="low",
    )
    schema = {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "string"}}}
    found = await asked(channel, serving, request)
    assert found == ChatRequest(
        model="talk",
        messages=[Message("user", "hello")],
        sampling=SamplingParams(
            max_tokens=7,
            temperature=0.0,
            top_p=0.5,
            top_k=-1,
            min_p=0.25,
            presence_penalty=-1.0,
            frequency_penalty=1.0,
            repetition_penalty=1.5,
            seed=-3,
            logit_bias={5: -100.0, 6: 1.5},
            stop=["a", "b"],
            stop_token_ids=[2],
            include_stop_str_in_output=False,
            ignore_eos=True,
        ),
        n=3,
        tools=[Tool(Function("look", "Looks.", schema, True)), Tool(Function("go"))],
        tool_choice=NamedTool(NamedFunction("go")),
        parallel_tool_calls=False,
        constraint=JsonSchema(schema),
        top_logprobs=0,
        template_kwargs={
            "reasoning_effort": "low",
            "enable_thinking": False,
            "count": 3,
            "share": 0.5,
            "list": [None, {"a": "b"}],
        },
        prompt_logprobs=4,
    )
    assert isinstance(found.tools[0].function.parameters, dict)
    assert list(found.tools[0].function.parameters["properties"]) == ["z", "a"], "the order is kept"
    assert isinstance(found.template_kwargs["count"], int)


async def test_a_conversation_of_every_kind_of_turn(channel: grpc.aio.Channel, serving: Serving) -> None:
    turns = [
        pb.Message(role=pb.ROLE_SYSTEM, content=[{"text": "Be brief."}]),
        pb.Message(role=pb.ROLE_DEVELOPER, content=[{"text": "a"}, {"text": "b"}]),
        pb.Message(
            role=pb.ROLE_USER,
            name="Ada",
            content=[{"text": "See"}, {"image": {"url": "data:image/png;base64,AA==", "detail": "DETAIL_LOW"}}],
        ),
        pb.Message(role=pb.ROLE_ASSISTANT, reasoning="Hm.", tool_calls=[{"id": "c1", "name": "look", "arguments": "{}"}]),
        pb.Message(role=pb.ROLE_TOOL, tool_call_id="c1", content=[{"text": ""}]),
        pb.Message(role=pb.ROLE_ASSISTANT, content=[{"refusal": "No."}]),
    ]
    found = await asked(channel, serving, pb.ChatRequest(model="talk", messages=turns))
    assert found.messages == [
        Message("system", "Be brief."),
        Message("developer", [TextPart("a"), TextPart("b")]),
        Message("user", [TextPart("See"), ImagePart(ImageUrl("data:image/png;base64,AA==", "low"))], name="Ada"),
        Message("assistant", reasoning_content="Hm.", tool_calls=[ToolCall("c1", FunctionCall("look", "{}"))]),
        Message("tool", "", tool_call_id="c1"),
        Message("assistant", [RefusalPart("No.")]),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pb.Constraint(), None),
        (pb.Constraint(json_object=pb.Constraint.JsonObject()), JsonObject()),
        (pb.Constraint(grammar='root ::= "x"'), Grammar('root ::= "x"')),
    ],
)
async def test_a_constraint(channel: grpc.aio.Channel, serving: Serving, given: pb.Constraint, expected: object) -> None:
    assert (await asked(channel, serving, said("x", constraint=given))).constraint == expected


@pytest.mark.parametrize(
    ("mode", "expected"), [(0, "auto"), (pb.ToolChoice.MODE_NONE, "none"), (pb.ToolChoice.MODE_REQUIRED, "required")]
)
async def test_a_choice_without_a_name(channel: grpc.aio.Channel, serving: Serving, mode: Any, expected: str) -> None:
    request = said("x", tools=[pb.Tool(name="go")], tool_choice=pb.ToolChoice(mode=mode))
    assert (await asked(channel, serving, request)).tool_choice == expected


def _said_to_be_at_fault(error: grpc.aio.AioRpcError, field: str) -> bool:
    """Whether `field` is the path in the google.rpc.BadRequest among the details."""
    details = next(value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin")
    assert isinstance(details, bytes)
    return b"\x0a" + bytes([len(field)]) + field.encode() + b"\x12" in details


def user(*parts: Any) -> list[pb.Message]:
    return [pb.Message(role=pb.ROLE_USER, content=parts)]


WRONG: dict[str, dict[str, Any]] = {
    "model": {"model": ""},
    "messages": {"messages": []},
    "messages[0].role": {"messages": [pb.Message(content=[{"text": "a"}])]},
    "messages[0].content": {"messages": user()},
    "messages[0].content[1]": {"messages": user({"text": "a"}, pb.ContentPart())},
    "messages[0].content[0].image.url": {"messages": user({"image": {}})},
    "messages[0].tool_call_id": {"messages": [pb.Message(role=pb.ROLE_TOOL, content=[{"text": "a"}])]},
    "messages[0].tool_calls": {"messages": [pb.Message(role=pb.ROLE_USER, content=[{"text": "a"}], tool_calls=[{"id": "c"}])]},
    "n": {"n": 0},
    "top_logprobs": {"top_logprobs": 21},
    "prompt_logprobs": {"prompt_logprobs": 21},
    "tools[0].name": {"tools": [pb.Tool(name="a b")]},
    "tools[0].parameters": {"tools": [pb.Tool(name="a", parameters="[]")]},
    "tools[0].parameters.x[0]": {"tools": [pb.Tool(name="a", parameters='{"x": [18446744073709551616]}')]},
    "tools": {"tools": [pb.Tool(name="a"), pb.Tool(name="a")]},
    "tool_choice": {"tool_choice": pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED)},
    "tool_choice.mode": {"tools": [pb.Tool(name="a")], "tool_choice": pb.ToolChoice(mode=9)},  # type: ignore[arg-type]
    "parallel_tool_calls": {"parallel_tool_calls": True},
    "constraint.json_schema": {"constraint": pb.Constraint(json_schema="{")},
    "constraint.grammar": {"constraint": pb.Constraint(grammar="")},
    "sampling.max_tokens": {"sampling": pb.Sampling(max_tokens=0)},
    "sampling.temperature": {"sampling": pb.Sampling(temperature=float("nan"))},
    "sampling.top_p": {"sampling": pb.Sampling(top_p=1.5)},
    "sampling.presence_penalty": {"sampling": pb.Sampling(presence_penalty=float("inf"))},
    "sampling.logit_bias[...]": {"sampling": pb.Sampling(logit_bias={1: 101})},
    "sampling.logit_bias[7]": {"sampling": pb.Sampling(logit_bias={7: float("nan")})},
    "sampling.stop[1]": {"sampling": pb.Sampling(stop=["a", ""])},
    "chat_template_kwargs.a.b[0]": {"chat_template_kwargs": {"a": {"b": [float("inf")]}}},
}


@pytest.mark.parametrize("field", WRONG)
async def test_what_is_wrong_is_said_by_its_field(channel: grpc.aio.Channel, serving: Serving, field: str) -> None:
    error = await refused(channel, said("x", **WRONG[field]))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").endswith(".")
    assert _said_to_be_at_fault(error, field)
    assert serving.plane.asked == []


async def test_a_model_that_is_not_there_and_one_that_does_not_chat(channel: grpc.aio.Channel) -> None:
    assert (await refusal(channel, said("x", model="nobody")))[0] is grpc.StatusCode.NOT_FOUND
    code, sentence = await refusal(channel, said("x", model="embed"))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert sentence == "The model 'embed' does not serve chat (ChatService). It serves: embedding (EmbeddingService)."


async def test_a_message_that_is_none(channel: grpc.aio.Channel) -> None:
    bytes_to_bytes: Any = channel.unary_unary("/jubako.v1.ChatService/Complete")
    with pytest.raises(grpc.aio.AioRpcError, match=r"The message is no jubako\.v1\.ChatRequest\."):
        await bytes_to_bytes(b"\xff\xff", timeout=PATIENCE_S)
    stream_of_bytes: Any = channel.unary_stream("/jubako.v1.ChatService/Stream")
    with pytest.raises(grpc.aio.AioRpcError, match=r"The message is no jubako\.v1\.ChatRequest\."):
        await stream_of_bytes(b"\xff\xff", timeout=PATIENCE_S).read()


# --- answers --------------------------------------------------------------------------------------------------------------

TOKEN = TokenLogprob("Hé", -0.5, [72, 195], [TopLogprob("Hé", -0.5, [72, 195], 9), TopLogprob("x", -2, [120])], 9)
BATCHES: Any = [
    [Delta(0, reasoning="Hm", prompt_logprobs=[TOKEN])],
    [Delta(0, text="Hé", logprobs=[TOKEN]), Delta(1, text="Ho")],
    [Delta(0, tool_calls=[ToolCallDelta(0, "c1", "look", '{"a"')]), Delta(1, finish_reason="length")],
    [Delta(0, tool_calls=[ToolCallDelta(0, arguments=":1}")]), Delta(0, finish_reason="tool_calls")],
    [Usage(5, 4, 3, 1), Timings()],
]


async def test_a_whole_answer_carries_everything(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.batches = BATCHES
    answer = await complete(channel, said("x"))
    assert answer.id.startswith("chatcmpl-")
    assert (answer.model, answer.version) == ("talk", 2)
    first, second = answer.choices
    assert first.message == pb.Message(
        role=pb.ROLE_ASSISTANT,
        content=[{"text": "Hé"}],
        reasoning="Hm",
        tool_calls=[{"id": "c1", "name": "look", "arguments": '{"a":1}'}],
    )
    assert (first.finish_reason, second.finish_reason) == (pb.FINISH_REASON_TOOL_CALLS, pb.FINISH_REASON_LENGTH)
    assert (second.index, second.message.content[0].text) == (1, "Ho")
    token = first.logprobs[0]
    assert (token.token, token.logprob, token.token_bytes, token.token_id) == ("Hé", -0.5, b"H\xc3", 9)
    assert [top.token for top in token.top_logprobs] == ["Hé", "x"]
    assert not token.top_logprobs[1].HasField("token_id")
    assert answer.prompt_logprobs[0].token_id == 9
    assert answer.usage == pb.Usage(prompt_tokens=5, completion_tokens=4, cached_tokens=3, reasoning_tokens=1)


async def test_an_answer_of_nothing_is_an_empty_text(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.batches = [[Delta(0, finish_reason="stop")], [Usage(1, 0)]]
    assert [part.text for part in (await complete(channel, said("x"))).choices[0].message.content] == [""]


async def test_a_stream_is_a_chunk_for_each_batch(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.batches = BATCHES
    chunks = [chunk async for chunk in stream(channel, "ChatService/Stream", said("x"), pb.ChatChunk)]
    assert [len(chunk.deltas) for chunk in chunks] == [1, 2, 2, 2, 0]
    assert (chunks[0].model, chunks[0].version) == ("talk", 2)
    assert [bool(chunk.id) for chunk in chunks] == [True, False, False, False, False]
    assert [chunk.HasField("usage") for chunk in chunks] == [False, False, False, False, True]
    assert chunks[0].deltas[0].reasoning == "Hm"
    assert chunks[0].deltas[0].prompt_logprobs[0].token == "Hé"
    assert chunks[1].deltas[0].logprobs[0].token_bytes == b"H\xc3"
    assert chunks[2].deltas[0].tool_calls[0] == pb.ToolCallDelta(index=0, id="c1", name="look", arguments='{"a"')
    assert chunks[3].deltas[0].tool_calls[0] == pb.ToolCallDelta(index=0, arguments=":1}")
    assert chunks[3].deltas[1].finish_reason == pb.FINISH_REASON_TOOL_CALLS
    assert chunks[4].usage.completion_tokens == 4


async def test_a_batch_that_says_nothing_makes_no_chunk(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.batches = [[Delta(0, text="a", finish_reason="stop")], [Usage(1, 1)], [Timings()]]
    assert len([chunk async for chunk in stream(channel, "ChatService/Stream", said("x"), pb.ChatChunk)]) == 2


async def test_errors_of_the_plane(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.fail_before = ModelNotReady("The model 'talk' is loading.", retry_after_s=1)
    assert await refusal(channel, said("x")) == (grpc.StatusCode.UNAVAILABLE, "The model 'talk' is loading.")
    serving.plane.fail_before, serving.plane.fail_after = None, InstanceLost("Its process died.")
    chunks = stream(channel, "ChatService/Stream", said("a b"), pb.ChatChunk)
    assert [(await chunks.read()).deltas[0].text for _ in "ab"] == ["a ", "b "]
    assert (await chunks.read()).HasField("usage")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await chunks.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("whole", [True, False])
async def test_a_client_that_leaves_ends_the_work(channel: grpc.aio.Channel, serving: Serving, whole: bool) -> None:
    serving.plane.gate.clear()
    call: Any = (
        ask(channel, "ChatService/Complete", said("x"), pb.ChatResponse)
        if whole
        else stream(channel, "ChatService/Stream", said("x"), pb.ChatChunk)
    )
    await asyncio.wait_for(serving.plane.begun.wait(), PATIENCE_S)
    call.cancel()
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


async def test_a_deadline_ends_a_stream_in_the_middle(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.close_gate_after = 1
    await channel.channel_ready()
    serialize = pb.ChatRequest.SerializeToString
    method = channel.unary_stream("/jubako.v1.ChatService/Stream", serialize, pb.ChatChunk.FromString)
    call: Any = method(said("a b c"), timeout=3)
    assert (await call.read()).deltas[0].text == "a "
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(serving.plane.cancelled.wait(), PATIENCE_S)


async def test_a_stream_is_finished_by_a_server_that_leaves(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.close_gate_after = 1
    call = stream(channel, "ChatService/Stream", said("a b c"), pb.ChatChunk)
    assert (await call.read()).deltas[0].text == "a "
    stopping = asyncio.create_task(serving.server.stop(10 * PATIENCE_S))
    await asyncio.sleep(0)
    serving.plane.gate.set()
    assert (await call.read()).deltas[0].text == "b "
    assert (await call.read()).deltas[0].text == "c "
    assert (await call.read()).HasField("usage")
    assert await call.code() is grpc.StatusCode.OK
    await asyncio.wait_for(stopping, PATIENCE_S)
