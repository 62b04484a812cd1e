"""What is made of answers, however they come."""

from __future__ import annotations

import math

import pytest

from jubako.errors import Unsupported
from jubako.messages import (
    ChatRequest,
    Choice,
    CompletionRequest,
    FunctionCall,
    SamplingParams,
    TokenLogprob,
    ToolCall,
    TopLogprob,
    Usage,
)
from tests.integration.upstream.faulty_upstream import (
    HELLO,
    FaultyUpstream,
    chat,
    chunk,
    error,
    events,
    stream,
    whole,
)
from tests.integration.upstream.trial import HI, Opener


async def test_an_answer_is_passed_on_whole_and_streamed(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, model="their-name")
    result = await opened.whole()
    assert result.choices == [Choice(0, "Hello.")]
    assert result.usage == Usage(5, 2)
    assert upstream.last.body == {"model": "their-name", "messages": [{"role": "user", "content": "Hi"}]}
    assert upstream.last.path == "/v1/chat/completions"
    upstream.script.append(stream(HELLO))
    streamed = await opened.streamed()
    assert (streamed.choices, streamed.usage) == (result.choices, result.usage)
    assert upstream.last.body["stream_options"] == {"include_usage": True}
    assert upstream.last.body["stream"] is True
    timings = streamed.timings
    assert timings.first_token_s is not None
    assert len(timings.gaps_s) == 2  # of "lo." and of the finish reason


async def test_connections_are_used_again(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url)
    upstream.script.extend([stream(HELLO), whole(chat("a")), error(400), stream(HELLO[:-1]), whole(chat("b"))])
    await opened.streamed()
    await opened.whole()
    await opened.fails(stream=False)
    await opened.streamed()
    await opened.whole()
    assert len(upstream.connections) <= 2  # the end of a stream may come after the next request


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_a_stream_may_be_cut_anywhere(upstream: FaultyUpstream, connect: Opener, size: int, end: bytes) -> None:
    sent = b": comment\nevent: x\nid: 3\n\n" + b"".join(HELLO[:-1]).replace(b"Hel", "Hé→".encode())
    sent = sent.replace(
        b'data: {"choices":[{"index":0,"delta":{"content":"lo."}',
        b'data: {"choices":\ndata:[{"index":0,"delta":{"content":"lo."}',
    )
    sent = sent.replace(b"\n", end)
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    upstream.script.append(stream(pieces))  # and no [DONE]
    result = await (await connect(upstream.url)).streamed()
    assert result.choices == [Choice(0, "Hé→lo.")]
    assert result.usage == Usage(5, 2)


async def test_calls_reasoning_and_log_probabilities(upstream: FaultyUpstream, connect: Opener) -> None:
    logprobs = {"content": [{"token": "Hel", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "x", "logprob": -2}]}]}
    first = chunk(content="Hel")
    first["choices"][0]["logprobs"] = logprobs
    upstream.script.append(
        stream(
            events(
                chunk(reasoning_content="Let "),
                chunk(reasoning="me."),
                first,
                chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]),
                chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":'}}]),
                chunk(tool_calls=[{"index": 0, "id": "", "function": {"name": "", "arguments": "1}"}}]),
                chunk(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": {"y": 2}}}]),
                chunk(finish_reason="stop"),
                {
                    "choices": [],
                    "usage": {
                        "prompt_tokens": 5,
                        "completion_tokens": 9,
                        "prompt_tokens_details": {"cached_tokens": 4},
                        "completion_tokens_details": {"reasoning_tokens": 3},
                    },
                },
                "[DONE]",
            )
        )
    )
    result = await (await connect(upstream.url)).streamed()
    (choice,) = result.choices
    assert (choice.text, choice.reasoning, choice.finish_reason) == ("Hel", "Let me.", "tool_calls")
    assert choice.tool_calls == [ToolCall("a", FunctionCall("f", '{"x":1}')), ToolCall("b", FunctionCall("g", '{"y":2}'))]
    assert choice.logprobs == [TokenLogprob("Hel", -0.5, [72, 101, 108], [TopLogprob("x", -2.0, [120])])]
    assert result.usage == Usage(5, 9, 4, 3)


async def test_calls_without_numbers_are_told_apart(upstream: FaultyUpstream, connect: Opener) -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}, {"id": "b", "function": {"name": "g", "arguments": "{}"}}]
    upstream.script.append(stream(events(chunk(tool_calls=calls), chunk(finish_reason="tool_calls"))))
    choice = await (await connect(upstream.url)).only()
    assert [(call.id, call.function.name) for call in choice.tool_calls] == [("a", "f"), ("b", "g")]


async def test_the_prompts_log_probabilities(upstream: FaultyUpstream, connect: Opener) -> None:
    own, other = {"logprob": -2.5, "rank": 7, "decoded_token": "b"}, {"logprob": -0.5, "rank": 1, "decoded_token": "c"}
    table = [None, {"11": own, "12": other}]
    scored = TokenLogprob("b", -2.5, [98], [TopLogprob("c", -0.5, [99], 12)], 11)
    opened = await connect(upstream.url, provider="vllm", spec={"tasks": ["chat", "completion"]})
    upstream.script.append(whole(chat("x") | {"prompt_logprobs": table}))
    result = await opened.whole(ChatRequest(model="m", messages=HI.messages, prompt_logprobs=1))
    assert upstream.last.body["prompt_logprobs"] == 1
    assert math.isnan(result.choices[0].prompt_logprobs[0].logprob)
    assert result.choices[0].prompt_logprobs[1] == scored
    upstream.script.append(whole({"choices": [{"index": 0, "text": "x", "finish_reason": "stop", "prompt_logprobs": table}]}))
    result = await opened.whole(CompletionRequest(model="m", prompts=["ab"], prompt_logprobs=1))
    assert result.choices[0].prompt_logprobs[1] == scored
    plain = await connect(upstream.url)
    assert isinstance(await plain.fails(ChatRequest(model="m", messages=HI.messages, prompt_logprobs=1)), Unsupported)


async def test_completions_have_their_own_form(upstream: FaultyUpstream, connect: Opener) -> None:
    logprobs = {"tokens": ["a", "b"], "token_logprobs": [None, -1.5], "top_logprobs": [None, {"b": -1.5}], "text_offset": [0, 1]}
    choices = [
        {"index": 0, "text": "ab", "finish_reason": "length", "logprobs": logprobs},
        {"index": 1, "text": "c", "finish_reason": "stop", "logprobs": None},
    ]
    upstream.otherwise = whole({"choices": choices, "usage": {"prompt_tokens": 2, "completion_tokens": 3}})
    opened = await connect(upstream.url, spec={"tasks": ["chat", "completion"]})
    sampling = SamplingParams(max_tokens=2)
    result = await opened.whole(CompletionRequest(model="m", prompts=["a", "b"], echo=True, top_logprobs=1, sampling=sampling))
    assert upstream.last.path == "/v1/completions"
    assert upstream.last.body == {"model": "m", "prompt": ["a", "b"], "echo": True, "logprobs": 1, "max_tokens": 2}
    first, second = result.choices
    assert (first.text, first.finish_reason, second.text) == ("ab", "length", "c")
    assert math.isnan(first.logprobs[0].logprob)
    assert first.logprobs[1] == TokenLogprob("b", -1.5, [98], [TopLogprob("b", -1.5, [98])])
