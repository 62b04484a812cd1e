"""The official openai client, unchanged, on the real model."""

from __future__ import annotations

import asyncio
import json
from typing import Literal, cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

MODEL = "smollm2"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello."}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=12, temperature=0)
    choice = answer.choices[0]
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert 0 < answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == MODEL


def test_a_stream_joins_to_the_whole(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=12, temperature=0, seed=1)
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=12, temperature=0, seed=1, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] == whole.choices[0].finish_reason
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


async def test_async_clients_at_once(async_client: openai.AsyncOpenAI) -> None:
    async def ask(number: int) -> str:
        answer = await async_client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": f"Count from {number}."}], max_tokens=8, temperature=0
        )
        return answer.choices[0].message.content or ""

    assert all(await asyncio.gather(*(ask(number) for number in range(6))))


async def test_async_stream(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8, temperature=0, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text


async def test_a_stream_left_early_leaves_the_server_well(async_client: openai.AsyncOpenAI) -> None:
    for _ in range(3):
        stream = await async_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=200, stream=True)
        async for _ in stream:
            break
        await stream.close()
    answer = await async_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4)
    assert answer.choices


def test_several_choices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=6, n=2, temperature=1.0, seed=3)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content for choice in answer.choices)


def test_logprobs(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=5, temperature=0, logprobs=True, top_logprobs=3
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    for token in logprobs.content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.bytes is not None
    assert "".join(token.token for token in logprobs.content).startswith((answer.choices[0].message.content or "")[:4])


def test_stop_strings_end_the_answer_and_are_not_in_it(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Count from one to ten, in digits."}], max_tokens=40, stop=["a", "3"]
    )
    content = answer.choices[0].message.content or ""
    assert "a" not in content
    assert "3" not in content


class Verdict(BaseModel):
    sentiment: Literal["good", "bad"]
    stars: int


def test_structured_parse(client: openai.OpenAI) -> None:
    completion = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Judge this review: 'I love it, five stars.'"}],
        response_format=Verdict,
        max_tokens=60,
        temperature=0,
    )
    assert isinstance(completion.choices[0].message.parsed, Verdict)


async def test_structured_parse_streamed(async_client: openai.AsyncOpenAI) -> None:
    async with async_client.chat.completions.stream(
        model=MODEL,
        messages=[{"role": "user", "content": "Judge this review: 'I hate it.'"}],
        response_format=Verdict,
        max_tokens=60,
        temperature=0,
    ) as stream:
        async for _ in stream:
            pass
        completion = await stream.get_final_completion()
    assert isinstance(completion.choices[0].message.parsed, Verdict)


def test_json_mode(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give a JSON object with the key name."}],
        response_format={"type": "json_object"},
        max_tokens=200,
        temperature=0,
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)
    else:
        assert (answer.choices[0].message.content or "").lstrip().startswith("{")


@pytest.mark.parametrize("choice", ["required", "named"])
def test_a_tool_that_must_be_called(client: openai.OpenAI, choice: str) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Oslo?"}]
    answer = client.chat.completions.create(
        model=MODEL,
        messages=messages,
        tools=[WEATHER],
        tool_choice="required" if choice == "required" else {"type": "function", "function": {"name": "get_weather"}},
        parallel_tool_calls=False,
        max_tokens=80,
        temperature=0,
    )
    message = answer.choices[0].message
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city", "unit"}
    # The client's own message goes back as it came.
    own = cast("ChatCompletionMessageParam", message.to_dict())
    again = client.chat.completions.create(
        model=MODEL,
        messages=[*messages, own, {"role": "tool", "tool_call_id": call.id, "content": "Rain, 7 degrees."}],
        tools=[WEATHER],
        tool_choice="none",
        max_tokens=10,
    )
    assert again.choices[0].message.content


def test_streamed_tool_calls_are_those_of_the_whole_answer(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Oslo?"}]
    whole = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER], tool_choice="required", max_tokens=80, temperature=0
    )
    calls: dict[int, list[str]] = {}
    finish_reason = None
    for chunk in client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER], tool_choice="required", max_tokens=80, temperature=0, stream=True
    ):
        finish_reason = chunk.choices[0].finish_reason or finish_reason
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            parts = calls.setdefault(call.index, ["", ""])
            parts[0] += call.function.name or ""
            parts[1] += call.function.arguments or ""
    assert finish_reason == whole.choices[0].finish_reason
    assert list(calls.values()) == [
        [call.function.name, call.function.arguments]
        for call in whole.choices[0].message.tool_calls or []
        if call.type == "function"
    ]
    assert calls


def test_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=["Once upon", "The sky is"], max_tokens=4, temperature=0, n=1)
    assert [choice.index for choice in answer.choices] == [0, 1]
    echoed = client.completions.create(model=MODEL, prompt="Once upon", max_tokens=4, temperature=0, echo=True)
    assert echoed.choices[0].text == "Once upon" + answer.choices[0].text
    text = "".join(
        chunk.choices[0].text
        for chunk in client.completions.create(model=MODEL, prompt="Once upon", max_tokens=4, temperature=0, stream=True)
    )
    assert text == answer.choices[0].text


def test_completions_with_logprobs(client: openai.OpenAI) -> None:
    logprobs = (
        client.completions.create(model=MODEL, prompt="The sky is", max_tokens=4, temperature=0, logprobs=2).choices[0].logprobs
    )
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.text_offset is not None
    assert (
        len(logprobs.tokens)
        == len(logprobs.token_logprobs or [])
        == len(logprobs.text_offset)
        == len(logprobs.top_logprobs or [])
    )
    assert logprobs.text_offset[0] == 0


@pytest.mark.parametrize("as_numbers", [False, True])
def test_embeddings(echo_client: openai.OpenAI, *, as_numbers: bool) -> None:
    answer = echo_client.embeddings.create(
        model="echo", input=["one", "two words"], encoding_format="float" if as_numbers else openai.omit
    )
    assert [item.index for item in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 0
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    assert answer.usage.prompt_tokens > 0


def test_models(client: openai.OpenAI, echo_client: openai.OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve("HuggingFaceTB/SmolLM2-135M-Instruct").id == MODEL
    assert echo_client.models.retrieve("Org/Echo-1B").owned_by == "jubako"


# --- errors -----------------------------------------------------------------------------------------------------------------


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="smollm", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert "smollm2" in caught.value.message
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("smollm")


def test_a_prompt_that_is_too_long_says_both_numbers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 20_000}])
    assert caught.value.code == "context_length_exceeded"
    assert sum(word.strip(".,").isdigit() for word in caught.value.message.split()) >= 2


def test_wrong_values_are_bad_requests(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, temperature=-1)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, extra_body={"top_kk": 1})
    assert caught.value.param == "top_kk"
    assert "top_k" in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=MODEL, input="a")
    assert "does not serve embedding" in caught.value.message


def test_errors_of_streams_come_before_the_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 20_000}], stream=True)
    assert caught.value.code == "context_length_exceeded"


def test_the_request_id_is_the_clients(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=1, extra_headers={"x-request-id": "mine"})
    assert answer._request_id == "mine"
