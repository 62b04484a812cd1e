"""Upstream models over real sockets: what the backend makes of servers that answer, drop, stall, lie and limit."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.backends.openai.backend import OpenAIBackend
from jubako.errors import (
    ConfigurationError,
    DeadlineExceeded,
    InvalidRequest,
    JubakoError,
    ModelNotFound,
    Overloaded,
    PayloadTooLarge,
    PromptTooLong,
    Unsupported,
    UpstreamFailed,
    UpstreamUnavailable,
)
from jubako.messages import (
    ChatRequest,
    Choice,
    ClassifyRequest,
    CompletionRequest,
    Delta,
    EmbedRequest,
    Function,
    FunctionCall,
    GenerateRequest,
    GenerateResult,
    Grammar,
    ImagePart,
    ImageUrl,
    JsonObject,
    JsonSchema,
    Message,
    NamedFunction,
    NamedTool,
    SamplingParams,
    ScoreRequest,
    StatisticsResult,
    TextPart,
    Timings,
    TokenizeRequest,
    TokenLogprob,
    Tool,
    ToolCall,
    TopLogprob,
    Usage,
)
from jubako.repository.validation import check_engine
from tests.integration.faulty_upstream import (
    HELLO,
    Behaviour,
    FaultyUpstream,
    chat,
    chunk,
    drop,
    error,
    events,
    faulty_upstream,
    stall,
    stream,
    text,
    whole,
)
from tests.serving import free_port

KEY = "sk-secret-0123456789"
HI = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])
QUICK = {"base_s": 0.01, "cap_s": 0.5}
ALL_TASKS = ["chat", "completion", "embedding", "score", "classify"]


class Call:
    request_id = "test"

    def __init__(self, *, stream: bool) -> None:
        self.stream = stream

    def queued(self) -> None: ...

    def started(self) -> None: ...


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[FaultyUpstream]:
    async with faulty_upstream() as running:
        yield running


class Opened:
    """A loaded backend, asked in the ways of the channel."""

    def __init__(self, backend: OpenAIBackend) -> None:
        self.backend = backend

    async def whole(self, request: GenerateRequest = HI) -> GenerateResult:
        return await self._answer(request, stream=False)

    async def streamed(self, request: GenerateRequest = HI) -> GenerateResult:
        return await self._answer(request, stream=True)

    async def only(self, request: GenerateRequest = HI, *, stream: bool = True) -> Choice:
        (choice,) = (await self._answer(request, stream=stream)).choices
        return choice

    async def fails(self, request: GenerateRequest = HI, *, stream: bool = True) -> JubakoError:
        with pytest.raises(JubakoError) as caught:
            await self._answer(request, stream=stream)
        assert self.idle
        return caught.value

    @property
    def idle(self) -> bool:
        load = self.backend.current_load()
        return (load.running, load.queued) == (0, 0)

    async def _answer(self, request: GenerateRequest, *, stream: bool) -> GenerateResult:
        return GenerateResult.from_events([e async for e in self.backend.generate(request, Call(stream=stream))])


class Opener:
    """Loads backends; all are closed at the end of the test."""

    def __init__(self) -> None:
        self.opened: list[OpenAIBackend] = []

    async def __call__(self, url: str | None, *, spec: dict[str, Any] | None = None, **params: Any) -> Opened:
        given = ({"base_url": url} if url else {}) | {"retries": QUICK} | params
        checked = check_engine(BACKENDS["openai"].params, given)
        assert checked.value is not None, checked.faults
        fields: dict[str, Any] = {
            "model": "m",
            "version": 1,
            "implementation": BACKENDS["openai"].implementation,
            "tasks": ["chat"],
            "params": checked.value,
        }
        backend = OpenAIBackend(ModelSpec(**(fields | (spec or {}))))
        await backend.load()
        self.opened.append(backend)
        return Opened(backend)


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Opener]:
    opener = Opener()
    yield opener
    for backend in opener.opened:
        assert backend.current_load().running == 0
        await backend.close()


# --- answers ----------------------------------------------------------------------------------------------------------------


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


# --- what is sent -----------------------------------------------------------------------------------------------------------


async def test_every_field_that_is_set_is_sent(upstream: FaultyUpstream, connect: Opener) -> None:
    tool = Tool(Function("f", "what", {"type": "object", "properties": {}}))
    image = ImagePart(ImageUrl("data:image/png;base64,AA==", "low"))
    request = ChatRequest(
        model="m",
        messages=[
            Message(role="developer", content="Be brief."),
            Message(role="user", content=[TextPart("Look"), image], name="ann"),
            Message(role="assistant", reasoning_content="hm", tool_calls=[ToolCall("a", FunctionCall("f", "{}"))]),
            Message(role="tool", content="3", tool_call_id="a"),
        ],
        sampling=SamplingParams(
            max_tokens=9, top_p=0.5, presence_penalty=1, frequency_penalty=-1, seed=4, logit_bias={7: 1.5}, stop=["x"], top_k=-1
        ),
        n=2,
        tools=[tool],
        tool_choice=NamedTool(NamedFunction("f")),
        parallel_tool_calls=False,
        constraint=JsonSchema({"type": "object", "properties": {}, "additionalProperties": False}),
        top_logprobs=3,
    )
    upstream.otherwise = whole(
        {"choices": [{"index": i, "message": {"content": str(i)}, "finish_reason": "stop"} for i in range(2)]}
    )
    opened = await connect(
        upstream.url,
        spec={"sampling": SamplingParams(temperature=0.25, top_p=0.75)},
        query={"api-version": "v"},
        extra_body={"x": 1},
    )
    await opened.whole(request)
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert upstream.last.query == {"api-version": "v"}
    assert upstream.last.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                ],
                "name": "ann",
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "3", "tool_call_id": "a"},
        ],
        "temperature": 0.25,
        "top_p": 0.5,
        "max_tokens": 9,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "seed": 4,
        "logit_bias": {"7": 1.5},
        "stop": ["x"],
        "n": 2,
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "what", "parameters": {"type": "object", "properties": {}}},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
        "logprobs": True,
        "top_logprobs": 3,
        "x": 1,
    }


@pytest.mark.parametrize(
    ("provider", "request_", "field"),
    [
        ("deepseek", ChatRequest(model="m", messages=HI.messages, sampling=SamplingParams(top_k=4)), "top_k"),
        ("deepseek", ChatRequest(model="m", messages=HI.messages, n=2), "n"),
        ("deepseek", ChatRequest(model="m", messages=HI.messages, constraint=JsonSchema({})), "response_format"),
        ("openai", ChatRequest(model="m", messages=HI.messages, constraint=Grammar("root ::= x")), "grammar"),
        ("saas/qianwen", ChatRequest(model="m", messages=HI.messages, template_kwargs={"x": 1}), "chat_template_kwargs"),
        (None, ChatRequest(model="m", messages=HI.messages, sampling=SamplingParams(min_p=0.1)), "min_p"),
    ],
)
async def test_what_a_provider_does_not_know_is_refused(
    upstream: FaultyUpstream,
    connect: Opener,
    monkeypatch: pytest.MonkeyPatch,
    provider: str | None,
    request_: ChatRequest,
    field: str,
) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    opened = await connect(upstream.url, provider=provider, api_key_env="A_KEY")
    refused = await opened.fails(request_)
    assert isinstance(refused, Unsupported)
    assert refused.param == field
    assert field in refused.message
    assert not upstream.seen


async def test_providers_differ_by_data(upstream: FaultyUpstream, connect: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    sampling = SamplingParams(max_tokens=3)
    azure = await connect(upstream.url, provider="azure", api_key_env="A_KEY")
    await azure.whole(ChatRequest(model="m", messages=HI.messages, sampling=sampling))
    assert upstream.last.headers["api-key"] == KEY
    assert upstream.last.body["max_completion_tokens"] == 3
    qianwen = await connect(upstream.url, provider="saas/qianwen", api_key_env="A_KEY")
    sampling = SamplingParams(top_k=3, repetition_penalty=1.1)
    await qianwen.whole(
        ChatRequest(model="m", messages=HI.messages, sampling=sampling, template_kwargs={"enable_thinking": False})
    )
    assert upstream.last.headers["Authorization"] == f"Bearer {KEY}"
    assert {name: upstream.last.body[name] for name in ("top_k", "repetition_penalty", "enable_thinking")} == {
        "top_k": 3,
        "repetition_penalty": 1.1,
        "enable_thinking": False,
    }
    vllm = await connect(upstream.url, provider="vllm")
    await vllm.whole(ChatRequest(model="m", messages=HI.messages, constraint=Grammar("root ::= x"), template_kwargs={"a": 1}))
    assert upstream.last.body["structured_outputs"] == {"grammar": "root ::= x"}
    assert upstream.last.body["chat_template_kwargs"] == {"a": 1}
    known = await connect(upstream.url, fields=["top_k"])
    await known.whole(ChatRequest(model="m", messages=HI.messages, sampling=SamplingParams(top_k=3), constraint=JsonObject()))
    assert upstream.last.body["top_k"] == 3


async def test_embeddings_scores_classes_and_tokens(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, provider="vllm", spec={"tasks": ALL_TASKS})
    backend, call = opened.backend, Call(stream=False)
    vectors = [np.array([1, 2], "<f4"), np.array([3, 4], "<f4")]
    numbers = [{"index": i, "embedding": vectors[i].tolist()} for i in (1, 0)]
    upstream.script.append(whole({"data": numbers, "usage": {"prompt_tokens": 4, "total_tokens": 4}}))
    result = await backend.embed(EmbedRequest(model="m", inputs=["a", [1, 2]], dimensions=2), call)
    assert result.vectors == [vector.tobytes() for vector in vectors]
    assert result.usage.prompt_tokens == 4
    assert upstream.last.body == {"model": "m", "input": ["a", [1, 2]], "encoding_format": "base64", "dimensions": 2}
    upstream.script.append(whole({"data": [{"index": 0, "embedding": "AACAPwAAAEA="}]}))
    assert (await backend.embed(EmbedRequest(model="m", inputs=["a"]), call)).vectors == [vectors[0].tobytes()]
    upstream.script.append(whole({"data": [{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]}))
    scored = await backend.score(ScoreRequest(model="m", queries=["q"], documents=["a", "b"]), call)
    assert (scored.scores, upstream.last.path) == ([0.25, 0.5], "/v1/score")
    upstream.script.append(whole({"data": [{"index": 0, "label": "good", "probs": [0.1, 0.9]}]}))
    classified = await backend.classify(ClassifyRequest(model="m", inputs=["a"]), call)
    assert (classified.labels, classified.probabilities) == (["LABEL_0", "good"], [[0.1, 0.9]])
    assert upstream.last.path == "/classify"
    upstream.script.append(whole({"tokens": [1, 2], "max_model_len": 9, "count": 2}))
    assert (await backend.tokenize(TokenizeRequest(model="m", text="a b"))).tokens == [1, 2]
    assert upstream.last.path == "/tokenize"
    upstream.script.append(whole({"data": []}))
    with pytest.raises(UpstreamFailed, match="0 of 1"):
        await backend.embed(EmbedRequest(model="m", inputs=["a"]), call)
    rerank = await connect(upstream.url, provider="siliconflow", api_key_env="PATH", spec={"tasks": ["score"]})
    upstream.script.append(whole({"results": [{"index": 0, "relevance_score": 0.75}]}))
    scored = await rerank.backend.score(ScoreRequest(model="m", queries=["q"], documents=["a"]), call)
    assert (scored.scores, upstream.last.path) == ([0.75], "/v1/rerank")


# --- refusals and faults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("behaviour", "kind", "says"),
    [
        (error(400, "temperature is too hot", param="temperature", code="bad"), InvalidRequest, "temperature is too hot"),
        (error(400, "too long", code="context_length_exceeded"), PromptTooLong, "too long"),
        (error(400, "This model's maximum context length is 9 tokens"), PromptTooLong, "maximum context"),
        (error(401, "Incorrect API key"), UpstreamFailed, "server's own key"),
        (error(403, "no"), UpstreamFailed, "server's own key"),
        (error(404, "no such model"), ModelNotFound, "'m'"),
        (error(413, "too big"), PayloadTooLarge, "too big"),
        (error(429, "slow down"), Overloaded, "slow down"),
        (error(500, "oops"), UpstreamFailed, "oops"),
        (error(503, "full"), UpstreamUnavailable, "full"),
        (error(504, "slow"), DeadlineExceeded, "slow"),
        (whole({"detail": "not here"}, 422), InvalidRequest, "not here"),
        (text("<html>Bad gateway</html>", "text/html", 502), UpstreamFailed, "Bad gateway"),
        (text("", "text/plain", 302), UpstreamFailed, "sends elsewhere"),
        (text("<html>Log in</html>", "text/html"), UpstreamFailed, "text/html"),
        (drop, UpstreamFailed, "closed the connection"),
    ],
)
async def test_refusals_say_whose_fault_it_is(
    upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour, kind: type[JubakoError], says: str, stream: bool
) -> None:
    upstream.otherwise = behaviour
    opened = await connect(upstream.url, retries={"max": 0})
    refused = await opened.fails(stream=stream)
    assert type(refused) is kind
    assert says in refused.message
    assert len(upstream.seen) == 1
    if refused.message == "temperature is too hot":
        assert (refused.param, refused.code) == ("temperature", "bad")
    if kind is Overloaded:
        assert refused.retry_after_s == 1


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (stream(HELLO[:2]), "broke off"),
        (stream([*HELLO[:2], b'data: {"choi']), "no JSON"),
        (stream(HELLO[:2], then=drop), "broke off"),
        (stream([*HELLO[:2], b"data: <html>\n\n"]), "no JSON"),
        (stream([*HELLO[:2], b'data: {"choices": 3}\n\n']), "another kind"),
        (stream(events(chunk(content="a"), {"error": {"message": "out of memory", "code": 500}})), "out of memory"),
        (stream(events(chunk(content="a"), {"object": "error", "message": "died", "code": 500})), "died"),
        (stream(events(chunk(content="a"), chunk(finish_reason="network_error"))), "network_error"),
        (stream([]), "ended its answer before it began"),
        (text("{}", "application/json"), "event-stream"),
    ],
)
async def test_broken_streams_are_errors(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour, says: str) -> None:
    upstream.otherwise = behaviour
    failed = await (await connect(upstream.url, retries={"max": 0})).fails()
    assert type(failed) is UpstreamFailed
    assert says in failed.message


@pytest.mark.parametrize(
    ("body", "says"),
    [("{", "no JSON"), ("[]", "another kind"), ('{"choices": []}', "without choices"), ('{"error": "no"}', "no")],
)
async def test_answers_that_are_none_are_errors(upstream: FaultyUpstream, connect: Opener, body: str, says: str) -> None:
    upstream.otherwise = text(body, "application/json")
    failed = await (await connect(upstream.url)).fails(stream=False)
    assert isinstance(failed, UpstreamFailed)
    assert says in failed.message


@pytest.mark.parametrize(("behaviour", "stream"), [(stall, True), (stall, False), (stream(HELLO[:2], then=stall), True)])
async def test_a_stall_ends_in_time(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour, stream: bool) -> None:
    upstream.otherwise = behaviour
    opened = await connect(upstream.url, first_byte_timeout_s=0.2, idle_timeout_s=0.2, timeout_s=0.4)
    failed = await opened.fails(stream=stream)
    assert isinstance(failed, DeadlineExceeded)
    assert failed.code == "upstream_timeout"
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert len(upstream.seen) == 1


async def test_a_slow_stream_makes_progress(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = stall
    opened = await connect(upstream.url)
    asking = asyncio.create_task(opened.whole())
    await asyncio.sleep(0.1)
    before = opened.backend.current_load()
    await asyncio.sleep(1.1)
    after = opened.backend.current_load()
    assert before.running == after.running == 1
    assert after.progress > before.progress
    asking.cancel()
    await asyncio.wait([asking])


@pytest.mark.parametrize("begun", [True, False])
async def test_a_caller_that_leaves_is_left_upstream(upstream: FaultyUpstream, connect: Opener, begun: bool) -> None:
    upstream.otherwise = stream(HELLO[:2], then=stall) if begun else stall
    opened = await connect(upstream.url)
    if begun:
        async with aclosing(opened.backend.generate(HI, Call(stream=True))) as answer:  # type: ignore[type-var]
            async for event in answer:
                assert event == Delta(0, "Hel")
                break
    else:
        asking = asyncio.create_task(opened.streamed())
        await upstream.has_seen(1)
        asking.cancel()
        await asyncio.wait([asking])
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert opened.idle
    assert opened.backend.current_load().running == 0


# --- again and elsewhere ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [drop, error(500), error(503), error(429), error(408), error(409), stream([])])
async def test_what_may_pass_is_tried_again(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour) -> None:
    upstream.script.extend([behaviour, behaviour, stream(HELLO)])
    opened = await connect(upstream.url)
    assert (await opened.only()).text == "Hello."
    assert len(upstream.seen) == 3


async def test_nothing_is_tried_again_once_a_part_was_passed_on(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.script.append(stream(HELLO[:2], then=drop))
    await (await connect(upstream.url)).fails()
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("as_date", [True, False])
async def test_retry_after_is_honoured(upstream: FaultyUpstream, connect: Opener, as_date: bool) -> None:
    # A date has whole seconds, so that a wait of two of them is one at least.
    value = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"
    upstream.script.append(error(429, headers={"Retry-After": value}))
    opened = await connect(upstream.url, retries={"base_s": 0.001, "cap_s": 5})
    begun = time.monotonic()
    await opened.whole()
    assert time.monotonic() - begun > 0.9


async def test_a_longer_wait_than_allowed_is_the_callers(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.script.append(error(429, headers={"Retry-After": "77"}))
    failed = await (await connect(upstream.url)).fails()
    assert isinstance(failed, Overloaded)
    assert failed.retry_after_s == 77
    assert len(upstream.seen) == 1


async def test_retries_never_multiply_the_load(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = error(500)
    opened = await connect(upstream.url, retries={"max": 5, "base_s": 0.001, "budget": 0.2}, circuit={"failures": 1000})
    for _ in range(50):
        await opened.fails(stream=False)
    assert 50 + 15 < len(upstream.seen) <= 50 + 20


async def test_a_circuit_opens_and_closes(upstream: FaultyUpstream, connect: Opener, caplog: pytest.LogCaptureFixture) -> None:
    upstream.otherwise = error(500)
    opened = await connect(upstream.url, retries={"max": 0}, circuit={"failures": 3, "open_s": 0.5})
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await opened.fails()
        failed = await opened.fails()
        assert isinstance(failed, UpstreamUnavailable)
        assert failed.retry_after_s is not None
        assert len(upstream.seen) == 3
        assert _metric(opened, "jubako_upstream_circuit_state") == 2
        await asyncio.sleep(0.55)
        assert _metric(opened, "jubako_upstream_circuit_state") == 1
        await opened.fails()  # the trial
        assert _metric(opened, "jubako_upstream_circuit_state") == 2
        upstream.otherwise = stream(HELLO)
        await asyncio.sleep(0.55)
        await opened.streamed()
    assert _metric(opened, "jubako_upstream_circuit_state") == 0
    assert "circuit is open" in caplog.text
    assert "circuit is closed" in caplog.text


def _metric(opened: Opened, name: str, **labels: str) -> float:
    statistics = opened.backend.statistics()
    assert isinstance(statistics, StatisticsResult)
    samples = [sample for metric in statistics.engine_metrics for sample in metric.samples if metric.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


@pytest.mark.parametrize("behaviour", [drop, error(500), error(401), error(404), text("hm", "text/plain")])
async def test_another_upstream_is_asked(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour) -> None:
    upstream.otherwise = behaviour
    async with faulty_upstream() as second:
        targets = [{"base_url": upstream.url, "model": "a"}, {"base_url": second.url, "model": "b"}]
        opened = await connect(None, upstreams=targets, balance="in_order")
        assert (await opened.only(stream=False)).text == "Hello."
        assert (upstream.last.body["model"], second.last.body["model"]) == ("a", "b")
        assert _metric(opened, "jubako_upstream_requests", status="200") == 1
        assert _metric(opened, "jubako_upstream_retries") == 1


async def test_weights_and_load_decide(upstream: FaultyUpstream, connect: Opener) -> None:
    async with faulty_upstream() as second:
        targets = [{"base_url": upstream.url, "weight": 3}, {"base_url": second.url, "weight": 1}]
        opened = await connect(None, upstreams=targets, balance="weighted")
        for _ in range(8):
            await opened.whole()
        assert (len(upstream.seen), len(second.seen)) == (6, 2)
        upstream.otherwise = second.otherwise = stream(HELLO[:2], then=stall)
        loaded = await connect(None, upstreams=targets)
        asking = [asyncio.create_task(loaded.streamed()) for _ in range(4)]
        await upstream.has_seen(9)
        await second.has_seen(3)
        assert (len(upstream.seen), len(second.seen)) == (9, 3)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


async def test_an_upstream_that_is_down_does_not_keep_the_entry_from_being_ready(connect: Opener) -> None:
    opened = await connect(f"http://127.0.0.1:{free_port()}/v1")
    failed = await opened.fails()
    assert isinstance(failed, UpstreamUnavailable)
    assert "can't be reached" in failed.message


async def test_a_dead_upstream_is_known_before_a_request_meets_it(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = error(500)
    opened = await connect(upstream.url, probe_interval_s=0.02, circuit={"failures": 2, "open_s": 0.1})
    while _metric(opened, "jubako_upstream_circuit_state") == 0:
        await upstream.has_seen(len(upstream.seen) + 1)
    assert {seen.path for seen in upstream.seen} == {"/v1/models"}
    upstream.otherwise = whole({"data": []})
    while _metric(opened, "jubako_upstream_circuit_state") != 0:
        await upstream.has_seen(len(upstream.seen) + 1)


# --- limits -----------------------------------------------------------------------------------------------------------------


async def test_requests_a_minute(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, requests_per_minute=2, spec={"queue_timeout_s": 1.0})
    await opened.whole()
    await opened.whole()
    failed = await opened.fails()
    assert isinstance(failed, Overloaded)
    assert failed.retry_after_s is not None
    assert 25 < failed.retry_after_s <= 30
    assert len(upstream.seen) == 2


async def test_tokens_a_minute_are_settled_by_the_count(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, tokens_per_minute=1100, spec={"queue_timeout_s": 1.0})
    for _ in range(5):  # each is estimated at 512 and more, and takes 7
        await opened.whole()
    answer = chat("Hello.")
    answer["usage"]["completion_tokens"] = 3000
    upstream.script.append(whole(answer))
    await opened.whole()
    assert isinstance(await opened.fails(), Overloaded)


async def test_those_who_wait_for_the_limit_count_as_waiting(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, requests_per_minute=60)
    upstream.otherwise = stall
    asking = [asyncio.create_task(opened.whole()) for _ in range(61)]
    await upstream.has_seen(60)
    assert opened.backend.current_load().queued == 1
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_concurrency_is_bounded(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = stall
    opened = await connect(upstream.url, spec={"max_concurrency": 2, "max_queue_size": 1})
    asking = [asyncio.create_task(opened.whole()) for _ in range(3)]
    await upstream.has_seen(2)
    with pytest.raises(Overloaded):
        await opened.whole()
    load = opened.backend.current_load()
    assert (load.running, load.queued, load.capacity) == (2, 1, 2)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


# --- keys -------------------------------------------------------------------------------------------------------------------


async def test_a_key_that_the_upstream_repeats_is_hidden(
    upstream: FaultyUpstream, connect: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setenv("B_KEY", "other-secret-9876")
    opened = await connect(
        upstream.url,
        api_key_env="A_KEY",
        headers_env={"X-Gate": "B_KEY"},
        headers={"X-Plain": "p"},
        organization="o",
        project="q",
    )
    behaviours: list[Behaviour] = [
        error(401, f"Incorrect API key provided: {KEY}."),
        error(400, "x" * 990 + KEY, param=KEY, code=KEY),
        error(500, f"{KEY} and other-secret-9876"),
        text(f"<b>{KEY}</b>", "text/html", 500),
        text("", f"text/{KEY}"),
        stream(events(chunk(content="a"), {"error": {"message": f"your key {KEY}"}})),
    ]
    with caplog.at_level(logging.DEBUG):
        for behaviour in behaviours:
            upstream.otherwise = behaviour
            failed = await opened.fails()
            shown = f"{failed.message} {failed.param} {failed.code} {failed!r} {failed.to_wire()}"
            assert KEY[:8] not in shown
            assert "other-secret" not in shown
    headers = upstream.last.headers
    assert (headers["Authorization"], headers["X-Gate"], headers["X-Plain"]) == (f"Bearer {KEY}", "other-secret-9876", "p")
    assert (headers["OpenAI-Organization"], headers["OpenAI-Project"]) == ("o", "q")
    assert KEY not in caplog.text
    assert KEY not in repr(vars(opened.backend))
    assert KEY.encode() not in msgspec.json.encode(opened.backend.statistics())


async def test_a_key_is_read_again_when_its_file_changes(upstream: FaultyUpstream, connect: Opener, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    opened = await connect(upstream.url, api_key_file=str(file))
    await opened.whole()
    assert upstream.last.headers["Authorization"] == f"Bearer {KEY}"
    file.write_text("another-key-1234567\n")
    await opened.whole()
    assert upstream.last.headers["Authorization"] == "Bearer another-key-1234567"
    file.unlink()
    await opened.whole()
    assert upstream.last.headers["Authorization"] == "Bearer another-key-1234567"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"api_key_file": "/no/such/key"}, "/no/such/key"),
        ({"api_key_file": "/no/such/key", "api_key_env": "PATH"}, "both"),
        ({"provider": "deepseek"}, "DEEPSEEK_API_KEY"),
        ({"provider": "nobody"}, "Known: "),
        ({"provider": "anthropic"}, "backend: anthropic"),
        ({"provider": "azure", "base_url": None, "api_key_env": "PATH"}, "base_url"),
        ({"headers": {"Authorization": f"Bearer {KEY}"}}, "headers_env"),
        ({"query": {"api_key": KEY}}, "secret"),
        ({"base_url": f"http://user:{KEY}@host/v1"}, "password"),
        ({"base_url": "host/v1"}, "http://"),
        ({"proxy": f"http://user:{KEY}@host:1"}, "HTTPS_PROXY"),
        ({"proxy": "socks5://host:1"}, "HTTP proxies"),
        ({"ca_file": "/no/such/ca"}, "/no/such/ca"),
        ({"upstreams": [{"base_url": "http://a/v1"}]}, "upstreams"),
    ],
)
async def test_an_entry_that_can_not_work_says_why(
    connect: Opener, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], says: str
) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        await connect(None, **({"base_url": "http://127.0.0.1:1/v1"} | params))
    assert says in caught.value.message
    assert KEY not in caught.value.message


async def test_tasks_and_sampling_that_the_provider_lacks_are_found_at_load(connect: Opener) -> None:
    with pytest.raises(ConfigurationError, match="embedding"):
        await connect(None, provider="kimi", api_key_env="PATH", spec={"tasks": ["embedding"]})
    with pytest.raises(ConfigurationError, match="top_k"):
        await connect(None, provider="kimi", api_key_env="PATH", spec={"sampling": SamplingParams(top_k=3)})


def test_a_key_in_an_entry_is_refused_without_being_shown() -> None:
    for fields, path in (
        ({"api_key": KEY}, "engine.api_key"),
        ({"upstreams": [{"base_url": "http://a/v1", "api_key": KEY}]}, "engine.upstreams[0].api_key"),
    ):
        (fault,) = check_engine(BACKENDS["openai"].params, fields).faults
        assert path in fault.message
        assert "`api_key_env` or `api_key_file`" in fault.message
        assert KEY not in fault.message


async def test_a_proxy_is_used(upstream: FaultyUpstream, connect: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = upstream.url.removesuffix("/v1")
    opened = await connect("http://example.invalid/v1", proxy=proxy)
    assert (await opened.only(stream=False)).text == "Hello."
    assert upstream.last.headers["Host"] == "example.invalid"
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.replace("://", f"://user:{KEY}@"))
    opened = await connect("http://example.invalid/v1")
    await opened.whole()
    assert upstream.last.headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    direct = await connect(upstream.url)
    await direct.whole()
    assert "Proxy-Authorization" not in upstream.last.headers
    unreachable = await connect("http://example.invalid/v1", proxy=f"http://127.0.0.1:{free_port()}")
    assert isinstance(await unreachable.fails(), UpstreamUnavailable)


async def test_timings_of_an_answer_that_does_not_stream(upstream: FaultyUpstream, connect: Opener) -> None:
    result = await (await connect(upstream.url)).whole()
    assert result.timings == Timings(queue_s=result.timings.queue_s)
