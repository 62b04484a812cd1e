"""What upstreams are asked."""

from __future__ import annotations

import numpy as np
import pytest

from jubako.errors import (
    Unsupported,
    UpstreamFailed,
)
from jubako.messages import (
    ChatRequest,
    ClassifyRequest,
    EmbedRequest,
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
    SamplingParams,
    ScoreRequest,
    TextPart,
    TokenizeRequest,
    Tool,
    ToolCall,
)
from tests.integration.upstream.faulty_upstream import (
    FaultyUpstream,
    whole,
)
from tests.integration.upstream.trial import ALL_TASKS, HI, KEY, Call, Opener


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
    *,
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
