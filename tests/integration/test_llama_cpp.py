"""The llama.cpp backend with the real engine and the real model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal

import jsonschema
import numpy as np
import pytest
import pytest_asyncio

from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.backends.llama_cpp.backend import LlamaCppBackend
from jubako.errors import ConfigurationError, InvalidRequest, Overloaded, PromptTooLong, Unsupported
from jubako.messages import (
    Caller,
    ChatRequest,
    Choice,
    CompletionRequest,
    Constraint,
    Delta,
    DetokenizeRequest,
    EmbedRequest,
    Function,
    FunctionCall,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    NamedFunction,
    NamedTool,
    Prompt,
    SamplingParams,
    TokenizeRequest,
    Tool,
    ToolCall,
    ToolChoice,
)
from jubako.paths import default_cache, shipped
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.sources.fetch import fetch_weights

pytestmark = pytest.mark.asyncio(loop_scope="module")

N_CTX = 512
SLOTS = 2
GREEDY = SamplingParams(temperature=0, max_tokens=12)
WEATHER = Tool(
    function=Function(
        name="get_weather",
        description="The weather of a city",
        parameters={
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"$ref": "#/$defs/unit"}},
            "required": ["city", "unit"],
            "additionalProperties": False,
            "$defs": {"unit": {"enum": ["celsius", "fahrenheit"]}},
        },
    )
)
TIME = Tool(function=Function(name="get_time", description="The time now"))
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def smollm2_weights() -> Path:
    """The weights of the shipped entry, from the cache or fetched into it."""
    model = read_repository(shipped("model_repository"), BACKENDS).models["smollm2"]
    (version,) = model.versions
    path = fetch_weights(version, Cache(default_cache()), Silent())
    assert path is not None
    return path


def _spec(weights: Path | None, **fields: Any) -> ModelSpec:
    defaults: dict[str, Any] = {
        "model": "smollm2",
        "version": 1,
        "implementation": BACKENDS["llama_cpp"].implementation,
        "tasks": ["chat", "completion", "embedding"],
        "params": {"n_ctx": N_CTX, "n_parallel": SLOTS, "n_threads": 1},
        "weights": str(weights) if weights else None,
        "max_queue_size": 4,
    }
    return ModelSpec(**(defaults | fields))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(smollm2_weights: Path) -> AsyncIterator[LlamaCppBackend]:
    backend = LlamaCppBackend(_spec(smollm2_weights))
    info = await backend.load()
    assert info.context_length == N_CTX
    yield backend
    assert (backend.current_load().running, backend.current_load().queued) == (0, 0)
    await backend.close()


class Call:
    caller = Caller("test")
    stream = True

    def __init__(self) -> None:
        self.was_queued = asyncio.Event()
        self.was_started = asyncio.Event()

    def queued(self) -> None:
        self.was_queued.set()

    def started(self) -> None:
        self.was_started.set()


async def _events(backend: LlamaCppBackend, request: GenerateRequest) -> list[GenerateEvent]:
    return [event async for event in backend.generate(request, Call())]


async def _answer(backend: LlamaCppBackend, request: GenerateRequest) -> GenerateResult:
    return GenerateResult.from_events(await _events(backend, request))


async def _only(backend: LlamaCppBackend, request: GenerateRequest) -> Choice:
    (choice,) = (await _answer(backend, request)).choices
    return choice


def _complete(*prompts: Prompt, sampling: SamplingParams = GREEDY, **fields: Any) -> CompletionRequest:
    return CompletionRequest(model="smollm2", prompts=list(prompts), sampling=sampling, **fields)


def _chat(text: str, sampling: SamplingParams = GREEDY, **fields: Any) -> ChatRequest:
    return ChatRequest(model="smollm2", messages=[Message(role="user", content=text)], sampling=sampling, **fields)


async def _tokens(backend: LlamaCppBackend, text: str) -> list[int]:
    return (await backend.tokenize(TokenizeRequest(model="smollm2", text=text))).tokens


# --- streams ------------------------------------------------------------------------------------------------------------


async def test_tokens_come_one_by_one_and_then_what_they_cost(backend: LlamaCppBackend) -> None:
    before = backend.current_load().progress
    *deltas, usage, timings = await _events(backend, _complete("Once upon a time", sampling=GREEDY))
    texts = [delta for delta in deltas if isinstance(delta, Delta) and delta.text]
    assert len(texts) > 8
    assert deltas[-1].finish_reason == "length"  # type: ignore[union-attr]
    result = GenerateResult.from_events([*deltas, usage, timings])
    assert result.usage.completion_tokens == 12
    assert result.usage.prompt_tokens == len(await _tokens(backend, "Once upon a time"))
    assert result.timings.first_token_s is not None
    assert len(result.timings.gaps_s) == len(texts) - 1
    assert backend.current_load().progress >= before + 12


async def test_the_cache_fills_with_the_generations_under_way(backend: LlamaCppBackend) -> None:
    assert backend.current_load().kv_cache_usage == 0
    async with aclosing(backend.generate(_complete("one two"), Call())) as events:  # type: ignore[type-var]
        await anext(events)
        first = backend.current_load().kv_cache_usage
        await anext(events)
        second = backend.current_load().kv_cache_usage
    assert first is not None
    assert second is not None
    assert 2 / (N_CTX * SLOTS) < first < second < 0.5
    assert backend.current_load().kv_cache_usage == 0


async def test_llama_cpp_s_own_metrics_are_read(backend: LlamaCppBackend) -> None:
    async def predicted() -> float:
        metrics = {metric.name: metric for metric in (await backend.read_statistics()).engine_metrics}
        assert metrics["llamacpp:requests_processing"].kind == "gauge"
        predicted = metrics["llamacpp:tokens_predicted_total"]
        assert (predicted.kind, predicted.documentation) == ("counter", "Number of generation tokens processed")
        return predicted.samples[0].value

    before = await predicted()
    usage = (await _answer(backend, _complete("one two"))).usage
    assert await predicted() >= before + usage.completion_tokens


async def test_a_chat_answers_in_its_template(backend: LlamaCppBackend) -> None:
    messages = [Message(role="user", content="Say hello")]
    rendered = await backend.tokenize(TokenizeRequest(model="smollm2", messages=messages))
    result = await _answer(backend, _chat("Say hello", SamplingParams(temperature=0, max_tokens=60)))
    assert result.usage.prompt_tokens == len(rendered.tokens)
    assert result.choices[0].finish_reason == "stop"
    assert "<|im_end|>" not in result.choices[0].text


async def test_a_seed_repeats_a_sampled_answer(backend: LlamaCppBackend) -> None:
    def request(seed: int | None) -> CompletionRequest:
        return _complete("The strangest dream was", sampling=SamplingParams(temperature=1.2, max_tokens=10, seed=seed))

    first, second, other = [(await _only(backend, request(seed))).text for seed in (-7, -7, 2**40)]
    assert first == second != other
    free = {(await _only(backend, request(None))).text for _ in range(3)}
    assert len(free) > 1


async def test_more_choices_than_slots_differ_and_come_in_full(backend: LlamaCppBackend) -> None:
    sampling = SamplingParams(temperature=1.2, max_tokens=8, seed=5)
    result = await _answer(backend, _complete("A list of words:", "The colours are", n=3, sampling=sampling))
    assert [choice.index for choice in result.choices] == list(range(6))
    assert len({choice.text for choice in result.choices}) == 6
    prompts = sum([len(await _tokens(backend, text)) for text in ("A list of words:", "The colours are")])
    assert result.usage.prompt_tokens == prompts
    assert result.usage.completion_tokens <= 48
    alone = await _only(backend, _complete("A list of words:", sampling=sampling))
    assert alone.text == result.choices[0].text


async def test_a_prompt_of_token_ids_and_its_echo(backend: LlamaCppBackend) -> None:
    tokens = await _tokens(backend, "The sky is")
    by_ids = await _only(backend, _complete(tokens, echo=True))
    by_text = await _only(backend, _complete("The sky is", echo=True))
    assert by_ids.text == by_text.text
    assert by_text.text.startswith("The sky is ")
    with pytest.raises(Unsupported, match="`echo` can't be combined with `logprobs`"):
        await _events(backend, _complete("The sky is", echo=True, top_logprobs=0))


async def test_characters_of_several_tokens_come_whole(backend: LlamaCppBackend) -> None:
    *deltas, _, _ = await _events(backend, _complete("🎉🎉🎉🎉🎉🎉🎉🎉", sampling=SamplingParams(temperature=0, max_tokens=12)))
    result = await _answer(backend, _complete("🎉🎉🎉🎉🎉🎉🎉🎉", sampling=SamplingParams(temperature=0, max_tokens=12)))
    text = "".join(delta.text for delta in deltas if isinstance(delta, Delta))
    assert "🎉" in text
    assert text == result.choices[0].text
    assert "\ufffd" not in text.rstrip("\ufffd")
    assert result.usage.completion_tokens == 12


async def test_a_prompt_seen_before_is_not_computed_again(backend: LlamaCppBackend) -> None:
    prompt = "A prompt that nobody has asked before, about the seven bridges of the city."
    first = await _answer(backend, _complete(prompt))
    second = await _answer(backend, _complete(prompt))
    assert second.usage.cached_tokens >= second.usage.prompt_tokens - 1
    assert first.usage.cached_tokens < first.usage.prompt_tokens - 1
    assert second.choices[0].text == first.choices[0].text


# --- where an answer ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("include", [False, True])
async def test_a_stop_string_across_tokens_never_leaks(backend: LlamaCppBackend, include: bool) -> None:
    whole = (await _only(backend, _complete("One, two, three,", sampling=SamplingParams(temperature=0, max_tokens=20)))).text
    stop = whole[9:14]
    sampling = SamplingParams(temperature=0, max_tokens=20, stop=[stop], include_stop_str_in_output=include)
    events = await _events(backend, _complete("One, two, three,", sampling=sampling))
    cut = whole[: whole.index(stop)]
    so_far = ""
    for event in events:
        if isinstance(event, Delta):
            so_far += event.text
            assert (cut + stop if include else cut).startswith(so_far)
    result = GenerateResult.from_events(events)
    assert result.choices[0].text == (cut + stop if include else cut)
    assert result.choices[0].finish_reason == "stop"
    assert 0 < result.usage.completion_tokens < 20


async def test_a_stop_token_ends_the_answer(backend: LlamaCppBackend) -> None:
    whole = await _answer(backend, _complete("One, two, three,", top_logprobs=0))
    tokens = [logprob.token_id for logprob in whole.choices[0].logprobs]
    stop = next(token for position, token in enumerate(tokens) if position > 1 and token not in tokens[:position])
    texts = [logprob.token for logprob in whole.choices[0].logprobs]
    position = tokens.index(stop)
    sampling = SamplingParams(temperature=0, max_tokens=12, stop_token_ids=[stop])
    result = await _answer(backend, _complete("One, two, three,", sampling=sampling))
    assert result.choices[0].text == "".join(texts[:position])
    assert result.choices[0].finish_reason == "stop"
    assert result.choices[0].logprobs == []
    assert result.usage.completion_tokens == position + 1


async def test_ignore_eos_goes_on(backend: LlamaCppBackend) -> None:
    sampling = SamplingParams(temperature=0, max_tokens=60)
    usual = await _answer(backend, _chat("Say hello", sampling))
    longer = await _answer(backend, _chat("Say hello", SamplingParams(temperature=0, max_tokens=60, ignore_eos=True)))
    assert usual.usage.completion_tokens < longer.usage.completion_tokens == 60
    assert longer.choices[0].finish_reason == "length"


async def test_the_context_bounds_an_answer(backend: LlamaCppBackend) -> None:
    prompt = [100] * (N_CTX - 8)
    result = await _answer(backend, _complete(prompt, sampling=SamplingParams(temperature=0, max_tokens=1000, ignore_eos=True)))
    assert result.choices[0].finish_reason == "length"
    assert result.usage.prompt_tokens + result.usage.completion_tokens <= N_CTX + 1


@pytest.mark.parametrize("prompt", ["word " * N_CTX, [100] * N_CTX])
async def test_a_prompt_that_fills_the_context_is_too_long(backend: LlamaCppBackend, prompt: Prompt) -> None:
    tokens = len(prompt) if isinstance(prompt, list) else len(await _tokens(backend, prompt))
    with pytest.raises(PromptTooLong, match=rf"has {tokens} tokens, .* holds {N_CTX}"):
        await _events(backend, _complete(prompt))


# --- sampling -------------------------------------------------------------------------------------------------------------


async def test_log_probabilities_are_of_the_raw_distribution(backend: LlamaCppBackend) -> None:
    plain = await _only(backend, _complete("The sky is", top_logprobs=3))
    assert len(plain.logprobs) == 12
    assert "".join(logprob.token for logprob in plain.logprobs) == plain.text
    first = plain.logprobs[0]
    assert first.top_logprobs[0].token == first.token
    assert [top.logprob for top in first.top_logprobs] == sorted((top.logprob for top in first.top_logprobs), reverse=True)
    assert bytes(first.bytes).decode() == first.token
    hot = SamplingParams(temperature=1.9, top_k=1, max_tokens=1, logit_bias={first.token_id: -100})
    changed = (await _only(backend, _complete("The sky is", sampling=hot, top_logprobs=3))).logprobs[0]
    assert changed.token != first.token
    assert changed.top_logprobs[0].logprob == pytest.approx(first.top_logprobs[0].logprob, abs=0.05)
    none = await _only(backend, _complete("The sky is", top_logprobs=0))
    assert {len(logprob.top_logprobs) for logprob in none.logprobs} == {0}


async def test_logit_bias_decides(backend: LlamaCppBackend) -> None:
    token = (await _tokens(backend, " banana"))[-1]
    sampling = SamplingParams(temperature=0, max_tokens=3, logit_bias={token: 100})
    text = (await _only(backend, _complete("I like", sampling=sampling))).text
    piece = (await backend.detokenize(DetokenizeRequest(model="smollm2", tokens=[token]))).text
    assert text == piece * 3


async def test_penalties_end_repetition(backend: LlamaCppBackend) -> None:
    prompt = "la la la la la la la la"
    plain = (await _only(backend, _complete(prompt))).text
    for penalty in (
        SamplingParams(temperature=0, max_tokens=12, repetition_penalty=5),
        SamplingParams(temperature=0, max_tokens=12, frequency_penalty=5),
        SamplingParams(temperature=0, max_tokens=12, presence_penalty=5),
    ):
        assert (await _only(backend, _complete(prompt, sampling=penalty))).text != plain


async def test_the_entrys_sampling_is_the_default(smollm2_weights: Path) -> None:
    backend = LlamaCppBackend(_spec(smollm2_weights, tasks=["completion"], sampling=SamplingParams(temperature=0, max_tokens=3)))
    await backend.load()
    result = await _answer(backend, _complete("The sky is", sampling=SamplingParams()))
    assert result.usage.completion_tokens == 3
    with pytest.raises(Unsupported, match="does not serve chat; it serves: completion"):
        await _events(backend, _chat("hi"))
    with pytest.raises(Unsupported, match="does not serve embeddings"):
        await backend.embed(EmbedRequest(model="smollm2", inputs=["a"]), Call())
    await backend.close()


@pytest.mark.parametrize(
    ("sampling", "param"),
    [
        (SamplingParams(top_k=10**6), "top_k"),
        (SamplingParams(logit_bias={10**6: 1.0}), "logit_bias"),
        (SamplingParams(stop_token_ids=[10**6]), "stop_token_ids"),
    ],
)
async def test_what_the_vocabulary_does_not_have(backend: LlamaCppBackend, sampling: SamplingParams, param: str) -> None:
    with pytest.raises(InvalidRequest, match=r"4915[12]") as caught:
        await _events(backend, _complete("The sky is", sampling=sampling))
    assert caught.value.param == param


@pytest.mark.parametrize("prompt", ["", [], [10**6], [-1]])
async def test_prompts_that_are_none(backend: LlamaCppBackend, prompt: Prompt) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _events(backend, _complete(prompt))
    assert caught.value.param == "prompt"


async def test_an_empty_conversation_is_refused(backend: LlamaCppBackend) -> None:
    with pytest.raises(InvalidRequest, match="at least one message"):
        await _events(backend, ChatRequest(model="smollm2", messages=[]))


# --- constraints ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 1.5])
async def test_a_json_schema_is_met(backend: LlamaCppBackend, temperature: float) -> None:
    sampling = SamplingParams(temperature=temperature, seed=1, max_tokens=60)
    choice = await _only(backend, _chat("Who are you?", sampling, constraint=JsonSchema(PERSON)))
    assert choice.finish_reason == "stop"
    jsonschema.validate(json.loads(choice.text), PERSON)


async def test_json_mode_can_not_run_into_whitespace(backend: LlamaCppBackend) -> None:
    blanks = {(await _tokens(backend, text))[0]: 100.0 for text in ("\n", " ", "\n\n", "    ", "\t")}
    sampling = SamplingParams(temperature=0, max_tokens=40, logit_bias=blanks)
    text = (await _only(backend, _chat("Say hello as JSON", sampling, constraint=JsonObject()))).text
    outside_strings = "".join(text.split('"')[::2])
    assert "\n" not in outside_strings
    assert "  " not in outside_strings


async def test_json_mode_gives_an_object(backend: LlamaCppBackend) -> None:
    choice = await _only(backend, _chat("hi", SamplingParams(temperature=0, max_tokens=120), constraint=JsonObject()))
    assert choice.finish_reason == "stop"
    assert isinstance(json.loads(choice.text), dict)


async def test_a_grammar_is_obeyed(backend: LlamaCppBackend) -> None:
    grammar = Grammar('root ::= ("yes" | "no") "!"')
    assert (await _only(backend, _complete("The sky is", constraint=grammar))).text in ("yes!", "no!")


@pytest.mark.parametrize(
    ("constraint", "param"),
    [
        (Grammar("root ::= nothing"), "grammar"),
        (Grammar("root = yes"), "grammar"),
        (Grammar('root ::= "yes'), "grammar"),
        (Grammar('other ::= "yes"'), "grammar"),
        (Grammar(""), "grammar"),
        (Grammar("%llguidance {}\nstart: nothing"), "grammar"),
        (JsonSchema({"type": "nope"}), "response_format.json_schema.schema"),
        (JsonSchema({"not": {}}), "response_format.json_schema.schema"),
    ],
)
async def test_a_constraint_that_is_none_is_refused(backend: LlamaCppBackend, constraint: Constraint, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _events(backend, _complete("The sky is", constraint=constraint))
    assert caught.value.param == param


async def test_an_answer_with_an_end_needs_it(backend: LlamaCppBackend) -> None:
    with pytest.raises(InvalidRequest, match="ignore_eos"):
        await _events(backend, _complete("a", sampling=SamplingParams(ignore_eos=True), constraint=JsonObject()))


# --- tools ------------------------------------------------------------------------------------------------------------------


def _check_call(call: ToolCall) -> None:
    arguments = json.loads(call.function.arguments)
    tool = {"get_weather": WEATHER, "get_time": TIME}[call.function.name]
    jsonschema.validate(arguments, tool.function.parameters or {"type": "object", "maxProperties": 0})


@pytest.mark.parametrize(
    ("choice", "names"),
    [("required", {"get_weather", "get_time"}), (NamedTool(NamedFunction("get_time")), {"get_time"})],
)
@pytest.mark.parametrize("temperature", [0.0, 1.5])
async def test_a_call_that_is_asked_for_comes(
    backend: LlamaCppBackend, choice: ToolChoice, names: set[str], temperature: float
) -> None:
    sampling = SamplingParams(temperature=temperature, seed=1, max_tokens=100)
    request = _chat(
        "What is the weather in Paris?", sampling, tools=[WEATHER, TIME], tool_choice=choice, parallel_tool_calls=False
    )
    answer = await _only(backend, request)
    assert answer.text == ""
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.tool_calls
    assert call.function.name in names
    assert call.id.startswith("call_")
    _check_call(call)


async def test_parallel_calls_are_each_valid(backend: LlamaCppBackend) -> None:
    sampling = SamplingParams(temperature=0, max_tokens=80)
    request = _chat("What is the weather in Paris and in Rome?", sampling, tools=[WEATHER], tool_choice="required")
    answer = await _only(backend, request)
    assert len(answer.tool_calls) > 1
    assert len({call.id for call in answer.tool_calls}) == len(answer.tool_calls)
    complete = answer.tool_calls if answer.finish_reason == "tool_calls" else answer.tool_calls[:-1]
    for call in complete:
        _check_call(call)


async def test_arguments_stream_and_join_to_the_same_call(backend: LlamaCppBackend) -> None:
    sampling = SamplingParams(temperature=0.8, seed=2, max_tokens=80)
    request = _chat(
        "What is the weather in Paris?", sampling, tools=[WEATHER], tool_choice=NamedTool(NamedFunction("get_weather"))
    )
    events = await _events(backend, request)
    pieces = [piece for event in events if isinstance(event, Delta) for piece in event.tool_calls]
    assert pieces[0].name == "get_weather"
    assert len([piece for piece in pieces if piece.arguments]) > 3
    (streamed,), (again,) = GenerateResult.from_events(events).choices, (await _answer(backend, request)).choices
    assert streamed.tool_calls[0].function == again.tool_calls[0].function


async def test_a_call_that_max_tokens_cuts_says_so(backend: LlamaCppBackend) -> None:
    request = _chat("What is the weather?", SamplingParams(temperature=0, max_tokens=18), tools=[WEATHER], tool_choice="required")
    answer = await _only(backend, request)
    assert answer.finish_reason == "length"
    assert answer.text == ""


@pytest.mark.parametrize("choice", ["auto", "none"])
async def test_without_a_call_tools_leave_text_alone(backend: LlamaCppBackend, choice: Literal["auto", "none"]) -> None:
    answer = await _only(backend, _chat("Tell me a story", tools=[WEATHER], tool_choice=choice))
    assert answer.text
    assert answer.tool_calls == []
    assert answer.finish_reason == "length"


async def test_auto_calls_are_valid_whatever_the_model_has_in_mind(backend: LlamaCppBackend) -> None:
    wrong = ToolCall(id="1", function=FunctionCall(name="weather_in", arguments='{"where": "Rome"}'))
    turns = [
        [Message(role="user", content=f"What is the weather in {city}?"), Message(role="assistant", tool_calls=[wrong])]
        for city in ("Rome", "Oslo", "Bonn")
    ]
    messages = [*(message for turn in turns for message in turn), Message(role="user", content="What is the weather in Paris?")]
    request = ChatRequest(
        model="smollm2",
        messages=messages,
        tools=[WEATHER],
        parallel_tool_calls=False,
        sampling=SamplingParams(temperature=0, max_tokens=60),
    )
    answer = await _only(backend, request)
    (call,) = answer.tool_calls
    assert answer.finish_reason == "tool_calls"
    _check_call(call)


async def test_tools_beside_a_schema_give_one_or_the_other(backend: LlamaCppBackend) -> None:
    sampling = SamplingParams(temperature=0, max_tokens=80)
    request = _chat("Who are you?", sampling, tools=[WEATHER], parallel_tool_calls=False, constraint=JsonSchema(PERSON))
    answer = await _only(backend, request)
    if answer.tool_calls:
        _check_call(answer.tool_calls[0])
    else:
        jsonschema.validate(json.loads(answer.text), PERSON)


# --- who leaves, and who waits ---------------------------------------------------------------------------------------------


LONG = SamplingParams(temperature=0, max_tokens=400, ignore_eos=True)


async def _leave(events: AsyncIterator[GenerateEvent]) -> None:
    await events.aclose()  # type: ignore[attr-defined]


async def test_leaving_frees_the_slot(backend: LlamaCppBackend) -> None:
    events = backend.generate(_complete("Once upon a time", sampling=LONG), Call())
    await anext(events)
    assert backend.current_load().running == 1
    before = backend.current_load().progress
    await _leave(events)
    assert backend.current_load().running == 0
    assert (await _only(backend, _complete("The sky is"))).text
    assert backend.current_load().progress < before + 200, "the text was generated to its end"


async def test_leaving_in_the_prompt_frees_the_slot(backend: LlamaCppBackend) -> None:
    # Two at once: llama.cpp computes one prompt after the other, and the second must be able to leave while the first goes on.
    prompts = [[base + i % 97 for i in range(N_CTX - 10)] for base in (1000, 2000)]
    tasks = [asyncio.create_task(_events(backend, _complete(prompt))) for prompt in prompts]
    # Long enough for the first to be in its prompt, which takes seconds, and the second behind it.
    await asyncio.sleep(0.3)
    for task in reversed(tasks):
        task.cancel()
        await asyncio.wait([task])
    assert backend.current_load().running == 0
    after = backend.current_load().progress
    assert (await _only(backend, _complete("The sky is"))).text
    assert backend.current_load().progress < after + 60, "the prompts were computed to their ends"


async def test_who_waits_can_leave_and_who_stays_is_served(backend: LlamaCppBackend) -> None:
    running = [backend.generate(_complete("Once upon a time", sampling=LONG), Call()) for _ in range(SLOTS)]
    for events in running:
        await anext(events)
    calls = [Call() for _ in range(4)]
    waiting = [asyncio.create_task(_collect(backend, call)) for call in calls]
    await asyncio.gather(*(call.was_queued.wait() for call in calls))
    assert backend.current_load().queued == 4
    with pytest.raises(Overloaded, match="2 of 2 places are taken, and 4 of at most 4 requests wait"):
        await _events(backend, _complete("The sky is"))
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    assert backend.current_load().queued == 3
    for events in running:
        await _leave(events)
    results = await asyncio.gather(*waiting[1:])
    assert all(call.was_started.is_set() for call in calls[1:])
    assert len({result.choices[0].text for result in results}) == 1
    assert all(result.timings.queue_s > 0 for result in results)


async def _collect(backend: LlamaCppBackend, call: Call) -> GenerateResult:
    return GenerateResult.from_events([event async for event in backend.generate(_complete("The sky is"), call)])


async def test_leaving_while_many_choices_run(backend: LlamaCppBackend) -> None:
    async with aclosing(backend.generate(_complete("Once upon", n=5, sampling=LONG), Call())) as events:  # type: ignore[type-var]
        await anext(events)
        assert backend.current_load().running == SLOTS
    assert (backend.current_load().running, backend.current_load().queued) == (0, 0)


# --- the rest --------------------------------------------------------------------------------------------------------------


async def test_embeddings_put_like_beside_like(backend: LlamaCppBackend) -> None:
    inputs: list[Prompt] = ["A cat sat on the mat.", "A kitten sat on the rug.", "Quarterly tax revenue fell by 3%."]
    result = await backend.embed(EmbedRequest(model="smollm2", inputs=inputs), Call())
    cat, kitten, tax = (np.frombuffer(vector, "<f4") for vector in result.vectors)
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-5)
    assert cat @ kitten > cat @ tax
    assert result.usage.prompt_tokens == sum([len(await _tokens(backend, str(text))) for text in inputs])
    (short,) = (await backend.embed(EmbedRequest(model="smollm2", inputs=inputs[:1], dimensions=64), Call())).vectors
    assert np.allclose(np.frombuffer(short, "<f4"), cat[:64] / np.linalg.norm(cat[:64]), atol=1e-5)
    with pytest.raises(InvalidRequest, match="dimensions is 10000"):
        await backend.embed(EmbedRequest(model="smollm2", inputs=inputs[:1], dimensions=10_000), Call())
    with pytest.raises(PromptTooLong):
        await backend.embed(EmbedRequest(model="smollm2", inputs=["word " * N_CTX]), Call())


async def test_tokens_and_text_go_both_ways(backend: LlamaCppBackend) -> None:
    text = "Héllo 🎉 <|im_start|>"
    result = await backend.tokenize(TokenizeRequest(model="smollm2", text=text, with_pieces=True))
    assert len(result.pieces) == len(result.tokens)
    assert result.context_length == N_CTX
    assert (await backend.detokenize(DetokenizeRequest(model="smollm2", tokens=result.tokens))).text == text
    with pytest.raises(InvalidRequest, match="There is no token 999999"):
        await backend.detokenize(DetokenizeRequest(model="smollm2", tokens=[999_999]))


async def test_weights_that_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"nonsense")
    for weights, message in ((tmp_path / "m.gguf", "no GGUF file"), (None, "has no weights")):
        with pytest.raises(ConfigurationError, match=message):
            await LlamaCppBackend(_spec(weights, params={})).load()
    (tmp_path / "n.gguf").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"m\.gguf, n\.gguf"):
        await LlamaCppBackend(_spec(tmp_path)).load()
