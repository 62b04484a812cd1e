"""What every text model must do, whatever its engine, asked through the official openai client."""

from __future__ import annotations

import asyncio
import json
from typing import Literal, cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

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


class Verdict(BaseModel):
    sentiment: Literal["good", "bad"]
    stars: int


class TextModelSuite:
    """Subclass it where there are fixtures `client`, `async_client` and `model`, the name of a chat model."""

    def test_chat(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=12, temperature=0)
        choice = answer.choices[0]
        assert choice.message.role == "assistant"
        assert choice.message.content
        assert choice.finish_reason in ("stop", "length")
        assert answer.usage is not None
        assert answer.usage.prompt_tokens > 0
        assert 0 < answer.usage.completion_tokens <= 12
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert answer.model == model

    def test_a_stream_joins_to_the_whole(self, client: openai.OpenAI, model: str) -> None:
        whole = client.chat.completions.create(model=model, messages=HELLO, max_tokens=12, temperature=0, seed=1)
        chunks = list(
            client.chat.completions.create(
                model=model,
                messages=HELLO,
                max_tokens=12,
                temperature=0,
                seed=1,
                stream=True,
                stream_options={"include_usage": True},
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

    async def test_async_clients_at_once(self, async_client: openai.AsyncOpenAI, model: str) -> None:
        async def ask(number: int) -> str:
            answer = await async_client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": f"Count from {number}."}], max_tokens=8, temperature=0
            )
            return answer.choices[0].message.content or ""

        assert all(await asyncio.gather(*(ask(number) for number in range(6))))

    async def test_async_stream(self, async_client: openai.AsyncOpenAI, model: str) -> None:
        stream = await async_client.chat.completions.create(model=model, messages=HELLO, max_tokens=8, temperature=0, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text

    async def test_a_stream_left_early_leaves_the_server_well(self, async_client: openai.AsyncOpenAI, model: str) -> None:
        for _ in range(3):
            stream = await async_client.chat.completions.create(model=model, messages=HELLO, max_tokens=200, stream=True)
            async for _ in stream:
                break
            await stream.close()
        answer = await async_client.chat.completions.create(model=model, messages=HELLO, max_tokens=4)
        assert answer.choices

    def test_several_choices(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=6, n=2, temperature=1.0, seed=3)
        assert [choice.index for choice in answer.choices] == [0, 1]
        assert all(choice.message.content for choice in answer.choices)

    def test_logprobs(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=5, temperature=0, logprobs=True, top_logprobs=3
        )
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.content
        for token in logprobs.content:
            assert token.logprob <= 0
            assert len(token.top_logprobs) == 3
            assert token.bytes is not None
        assert "".join(token.token for token in logprobs.content).startswith((answer.choices[0].message.content or "")[:4])

    def test_stop_strings_end_the_answer_and_are_not_in_it(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Count from one to ten, in digits."}],
            max_tokens=40,
            stop=["a", "3"],
        )
        content = answer.choices[0].message.content or ""
        assert "a" not in content
        assert "3" not in content

    def test_structured_parse(self, client: openai.OpenAI, model: str) -> None:
        completion = client.chat.completions.parse(
            model=model,
            messages=[{"role": "user", "content": "Judge this review: 'I love it, five stars.'"}],
            response_format=Verdict,
            max_tokens=60,
            temperature=0,
        )
        assert isinstance(completion.choices[0].message.parsed, Verdict)

    async def test_structured_parse_streamed(self, async_client: openai.AsyncOpenAI, model: str) -> None:
        async with async_client.chat.completions.stream(
            model=model,
            messages=[{"role": "user", "content": "Judge this review: 'I hate it.'"}],
            response_format=Verdict,
            max_tokens=60,
            temperature=0,
        ) as stream:
            async for _ in stream:
                pass
            completion = await stream.get_final_completion()
        assert isinstance(completion.choices[0].message.parsed, Verdict)

    def test_json_mode(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(
            model=model,
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
    def test_a_tool_that_must_be_called(self, client: openai.OpenAI, model: str, choice: str) -> None:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Oslo?"}]
        answer = client.chat.completions.create(
            model=model,
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
            model=model,
            messages=[*messages, own, {"role": "tool", "tool_call_id": call.id, "content": "Rain, 7 degrees."}],
            tools=[WEATHER],
            tool_choice="none",
            max_tokens=10,
        )
        assert again.choices[0].message.content

    def test_streamed_tool_calls_are_those_of_the_whole_answer(self, client: openai.OpenAI, model: str) -> None:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Oslo?"}]
        whole = client.chat.completions.create(
            model=model, messages=messages, tools=[WEATHER], tool_choice="required", max_tokens=80, temperature=0
        )
        calls: dict[int, list[str]] = {}
        finish_reason = None
        for chunk in client.chat.completions.create(
            model=model, messages=messages, tools=[WEATHER], tool_choice="required", max_tokens=80, temperature=0, stream=True
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

    def test_completions(self, client: openai.OpenAI, model: str) -> None:
        answer = client.completions.create(model=model, prompt=["Once upon", "The sky is"], max_tokens=4, temperature=0, n=1)
        assert [choice.index for choice in answer.choices] == [0, 1]
        echoed = client.completions.create(model=model, prompt="Once upon", max_tokens=4, temperature=0, echo=True)
        assert echoed.choices[0].text == "Once upon" + answer.choices[0].text
        text = "".join(
            chunk.choices[0].text
            for chunk in client.completions.create(model=model, prompt="Once upon", max_tokens=4, temperature=0, stream=True)
        )
        assert text == answer.choices[0].text

    def test_completions_with_logprobs(self, client: openai.OpenAI, model: str) -> None:
        logprobs = (
            client.completions.create(model=model, prompt="The sky is", max_tokens=4, temperature=0, logprobs=2)
            .choices[0]
            .logprobs
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

    def test_a_prompt_that_is_too_long_says_both_numbers(self, client: openai.OpenAI, model: str) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 20_000}])
        assert caught.value.code == "context_length_exceeded"
        assert sum(word.strip(".,").isdigit() for word in caught.value.message.split()) >= 2

    def test_errors_of_streams_come_before_the_stream(self, client: openai.OpenAI, model: str) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 20_000}], stream=True)
        assert caught.value.code == "context_length_exceeded"

    def test_the_same_seed_draws_the_same_answer(self, client: openai.OpenAI, model: str) -> None:
        def draw(seed: int) -> str | None:
            answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=16, temperature=1.5, seed=seed)
            return answer.choices[0].message.content

        drawn = {seed: draw(seed) for seed in (1, 2, 3)}
        assert draw(2) == drawn[2]
        assert len(set(drawn.values())) > 1

    def test_a_biased_token_is_drawn(self, client: openai.OpenAI, model: str) -> None:
        token = self.tokens(client, model, " blue")[-1]
        answer = client.completions.create(
            model=model, prompt="My favourite is", max_tokens=3, temperature=0, logit_bias={str(token): 100}
        )
        assert answer.choices[0].text == " blue blue blue"

    def test_a_stop_token_ends_the_answer(self, client: openai.OpenAI, model: str) -> None:
        token = self.tokens(client, model, " blue")[-1]
        answer = client.completions.create(
            model=model,
            prompt="My favourite is",
            max_tokens=9,
            temperature=0,
            logit_bias={str(token): 100},
            extra_body={"stop_token_ids": [token]},
        )
        assert answer.choices[0].text == ""
        assert answer.choices[0].finish_reason == "stop"

    def test_ignore_eos_goes_on_to_the_limit(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=64, temperature=0, extra_body={"ignore_eos": True}
        )
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 64

    @pytest.mark.parametrize(
        "parameters",
        [
            {"top_k": 1},
            {"top_p": 0.0001},
            {"min_p": 1.0},
        ],
        ids=["top_k", "top_p", "min_p"],
    )
    def test_a_narrow_choice_is_greedy(self, client: openai.OpenAI, model: str, parameters: dict[str, float]) -> None:
        prompt = "The capital of France is"
        greedy = client.completions.create(model=model, prompt=prompt, max_tokens=6, temperature=0)
        narrow = client.completions.create(model=model, prompt=prompt, max_tokens=6, temperature=1, extra_body=parameters)
        assert narrow.choices[0].text == greedy.choices[0].text

    @pytest.mark.parametrize("penalty", ["presence_penalty", "frequency_penalty", "repetition_penalty"])
    def test_penalties_change_a_text_that_repeats(self, client: openai.OpenAI, model: str, penalty: str) -> None:
        prompt = "one two one two one two one two one two"
        plain = client.completions.create(model=model, prompt=prompt, max_tokens=12, temperature=0)
        other = client.completions.create(model=model, prompt=prompt, max_tokens=12, temperature=0, extra_body={penalty: 2.0})
        assert other.choices[0].text != plain.choices[0].text

    def test_a_grammar_is_followed(self, client: openai.OpenAI, model: str) -> None:
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Is the sky blue?"}],
            max_tokens=10,
            temperature=0,
            extra_body={"grammar": 'root ::= "perhaps " [0-9] "%"'},
        )
        content = answer.choices[0].message.content or ""
        assert content[:8] == "perhaps "
        assert content[8].isdigit()
        assert content[9:] == "%"
        assert answer.choices[0].finish_reason == "stop"

    def test_a_schema_that_nothing_meets_is_refused(self, client: openai.OpenAI, model: str) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model=model,
                messages=HELLO,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"a": {"type": "nothing"}}}},
                },
            )
        assert caught.value.param == "response_format.json_schema.schema"

    async def test_many_at_once_are_all_answered_and_keep_their_parameters(
        self, async_client: openai.AsyncOpenAI, model: str
    ) -> None:
        """Greedy ones beside sampled ones, long ones beside short ones, constrained ones beside free ones."""

        async def ask(number: int) -> tuple[int, str, int]:
            limit = 4 + number % 5
            answer = await async_client.chat.completions.create(
                model=model,
                messages=HELLO if number % 3 else [{"role": "user", "content": "Answer with one digit. " * 10}],
                max_tokens=limit,
                temperature=0 if number % 2 else 1.2,
                extra_body={"ignore_eos": True} if number % 3 else {"grammar": "root ::= [0-9]"},
            )
            assert answer.usage is not None
            return number, answer.choices[0].message.content or "", answer.usage.completion_tokens

        for number, content, tokens in await asyncio.gather(*(ask(number) for number in range(24))):
            if number % 3:
                assert tokens == 4 + number % 5
            else:
                assert len(content) == 1
                assert content.isdigit()

    def test_characters_of_several_tokens_come_whole(self, client: openai.OpenAI, model: str) -> None:
        chunks = client.chat.completions.create(
            model=model,
            messages=HELLO,
            max_tokens=60,
            temperature=0,
            stream=True,
            extra_body={"grammar": 'root ::= "日本語 🍱🥢 naïve ﷽"'},
        )
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert "".join(texts) == "日本語 🍱🥢 naïve ﷽"
        assert "\ufffd" not in "".join(texts)

    def test_tokens_there_and_back(self, client: openai.OpenAI, model: str) -> None:
        text = "The bento has three tiers: 日本 🍱."
        tokens = self.tokens(client, model, text)
        answer = client.post("/../detokenize", body={"model": model, "tokens": tokens}, cast_to=dict[str, object])
        assert answer["prompt"] == text
        echoed = client.completions.create(model=model, prompt=tokens, max_tokens=1, echo=True)
        assert echoed.choices[0].text.startswith(text)
        assert echoed.usage is not None
        assert echoed.usage.prompt_tokens == len(tokens)

    @staticmethod
    def tokens(client: openai.OpenAI, model: str, text: str) -> list[int]:
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        return cast("list[int]", client.post("/../tokenize", body=body, cast_to=dict[str, object])["tokens"])
