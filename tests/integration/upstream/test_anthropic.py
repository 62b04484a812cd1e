"""Anthropic's messages API over a real socket: a faithful server of the test's own, events as its documentation shows them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from jubako.backends.anthropic.backend import AnthropicBackend
from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.errors import InvalidRequest, JubakoError, Overloaded, PromptTooLong, Unsupported, UpstreamFailed, UpstreamUnavailable
from jubako.messages import (
    ChatRequest,
    Choice,
    CompletionRequest,
    Function,
    FunctionCall,
    GenerateRequest,
    GenerateResult,
    ImagePart,
    ImageUrl,
    JsonObject,
    JsonSchema,
    Message,
    SamplingParams,
    TextPart,
    Tool,
    ToolCall,
    Usage,
)
from tests.integration.upstream.faulty_upstream import Behaviour, FaultyUpstream, stream, whole
from tests.integration.upstream.trial import Call

KEY = "sk-ant-0123456789"
HI = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])


@pytest_asyncio.fixture
async def backend(upstream: FaultyUpstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AnthropicBackend]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    params = {"base_url": upstream.url, "model": "claude", "beta": "b", "retries": {"max": 0}}
    implementation = BACKENDS["anthropic"].implementation
    backend = AnthropicBackend(ModelSpec(model="m", version=1, implementation=implementation, tasks=["chat"], params=params))
    await backend.load()
    yield backend
    assert backend.current_load().running == 0
    await backend.close()


async def ask(backend: AnthropicBackend, request: GenerateRequest = HI, *, stream: bool = True) -> GenerateResult:
    return GenerateResult.from_events([event async for event in backend.generate(request, Call(stream=stream))])


def sse(*events: dict[str, Any]) -> list[bytes]:
    """With their names, as Anthropic sends them."""
    return [b"event: " + event["type"].encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n" for event in events]


def start(**usage: int) -> dict[str, Any]:
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude"}
    return {"type": "message_start", "message": {**message, "usage": {"input_tokens": 9, "output_tokens": 1, **usage}}}


def block(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": content}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str, tokens: int) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ]


EVENTS = sse(
    start(cache_read_input_tokens=4, cache_creation_input_tokens=2),
    block(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="Let me "),
    {"type": "ping"},
    delta(0, type="thinking_delta", thinking="see."),
    delta(0, type="signature_delta", signature="EqQ"),
    stop(0),
    block(1, type="text", text=""),
    delta(1, type="text_delta", text="I'll "),
    delta(1, type="text_delta", text="look."),
    stop(1),
    block(2, type="tool_use", id="toolu_1", name="get_weather", input={}),
    delta(2, type="input_json_delta", partial_json=""),
    delta(2, type="input_json_delta", partial_json='{"city": '),
    delta(2, type="input_json_delta", partial_json='"Oslo"}'),
    stop(2),
    block(3, type="tool_use", id="toolu_2", name="get_time", input={}),
    stop(3),
    {"type": "something_new"},
    *end("tool_use", 42),
)
CALLS = [
    ToolCall("toolu_1", FunctionCall("get_weather", '{"city": "Oslo"}')),
    ToolCall("toolu_2", FunctionCall("get_time", "{}")),
]


async def test_a_stream_of_thought_text_and_calls(upstream: FaultyUpstream, backend: AnthropicBackend) -> None:
    joined = b"".join(EVENTS)
    upstream.script.append(stream([joined[place : place + 11] for place in range(0, len(joined), 11)]))
    result = await ask(backend)
    assert result.choices == [Choice(0, "I'll look.", "Let me see.", CALLS, [], "tool_calls")]
    assert result.usage == Usage(15, 42, 4)
    assert result.timings.first_token_s is not None
    assert upstream.last.path == "/v1/messages"
    headers = upstream.last.headers
    assert (headers["x-api-key"], headers["anthropic-version"], headers["anthropic-beta"]) == (KEY, "2023-06-01", "b")
    assert "Authorization" not in headers


async def test_a_whole_answer_is_the_same(upstream: FaultyUpstream, backend: AnthropicBackend) -> None:
    upstream.script.append(
        whole(
            {
                "type": "message",
                "content": [
                    {"type": "thinking", "thinking": "Let me see.", "signature": "EqQ"},
                    {"type": "text", "text": "I'll look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "get_time", "input": {}},
                ],
                "stop_reason": "tool_use",
                "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 42},
            }
        )
    )
    result = await ask(backend, stream=False)
    (choice,) = result.choices
    assert (choice.text, choice.reasoning, choice.finish_reason) == ("I'll look.", "Let me see.", "tool_calls")
    assert [call.function.arguments for call in choice.tool_calls] == ['{"city":"Oslo"}', "{}"]
    assert result.usage == Usage(15, 42, 4)
    assert upstream.last.body == {
        "model": "claude",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "max_tokens": 4096,
    }


async def test_a_conversation_in_its_own_words(upstream: FaultyUpstream, backend: AnthropicBackend) -> None:
    upstream.script.append(stream(sse(start(), *end("end_turn", 1))))
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    request = ChatRequest(
        model="m",
        messages=[
            Message(role="system", content="Be brief."),
            Message(role="user", content=[TextPart("Look"), ImagePart(ImageUrl("data:image/png;base64,AA=="))]),
            Message(role="user", content=[ImagePart(ImageUrl("https://example.com/a.png"))]),
            Message(
                role="assistant", content="Hm.", reasoning_content="?", tool_calls=[ToolCall("a", FunctionCall("f", '{"x":1}'))]
            ),
            Message(role="tool", content="3", tool_call_id="a"),
            Message(role="user", content="And?"),
            Message(role="developer", content="In French."),
        ],
        sampling=SamplingParams(max_tokens=7, temperature=0.5, top_p=0.9, top_k=5, stop=["x"], presence_penalty=0),
        tools=[Tool(Function("f", "what", schema)), Tool(Function("g"))],
        tool_choice="required",
        parallel_tool_calls=False,
        constraint=JsonSchema(schema),
        template_kwargs={"reasoning_effort": "low", "thinking": {"type": "enabled", "budget_tokens": 1024}},
    )
    await ask(backend, request)
    assert upstream.last.body == {
        "model": "claude",
        "system": "Be brief.\n\nIn French.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Hm."},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "3"}]},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["x"],
        "tools": [
            {"name": "f", "description": "what", "input_schema": schema},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": schema}, "effort": "low"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stream": True,
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"top_logprobs": 0}, "logprobs"),
        ({"sampling": SamplingParams(seed=3)}, "seed"),
        ({"sampling": SamplingParams(frequency_penalty=0.5)}, "frequency_penalty"),
        ({"constraint": JsonObject()}, "response_format"),
        ({"template_kwargs": {"x": 1}}, "chat_template_kwargs"),
    ],
)
async def test_what_the_api_lacks_is_refused(
    upstream: FaultyUpstream, backend: AnthropicBackend, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(Unsupported) as caught:
        await ask(backend, ChatRequest(model="m", messages=HI.messages, **fields))
    assert caught.value.param == param
    assert not upstream.seen


async def test_completions_are_refused(backend: AnthropicBackend) -> None:
    with pytest.raises(Unsupported):
        await ask(backend, CompletionRequest(model="m", prompts=["a"]))


def failure(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


@pytest.mark.parametrize(
    ("behaviour", "kind", "says"),
    [
        (whole(failure("invalid_request_error", "messages: wrong"), 400), InvalidRequest, "messages: wrong"),
        (whole(failure("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), 400), PromptTooLong, "9 tokens"),
        (whole(failure("authentication_error", f"invalid x-api-key {KEY}"), 401), UpstreamFailed, "server's own key"),
        (whole(failure("rate_limit_error", "slow down"), 429), Overloaded, "slow down"),
        (whole(failure("overloaded_error", "Overloaded"), 529), UpstreamUnavailable, "Overloaded"),
        (stream(sse(start(), failure("overloaded_error", "Overloaded"))), UpstreamUnavailable, "Overloaded"),
        (stream(sse(start(), failure("api_error", f"see {KEY}"))), UpstreamFailed, "see [hidden]"),
        (stream(EVENTS[:-2]), UpstreamFailed, "broke off"),
        (stream([*EVENTS[:3], b"data: {\n\n"]), UpstreamFailed, "no JSON"),
    ],
)
async def test_errors(
    upstream: FaultyUpstream, backend: AnthropicBackend, behaviour: Behaviour, kind: type[JubakoError], says: str
) -> None:
    upstream.script.append(behaviour)
    with pytest.raises(JubakoError) as caught:
        await ask(backend)
    assert type(caught.value) is kind
    assert says in caught.value.message
    assert KEY not in caught.value.message
