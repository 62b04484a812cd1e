"""POST /v1/chat/completions: what is asked of the plane, and how its answers look."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from jubako.errors import InstanceLost, JubakoError, ModelNotReady, Overloaded
from jubako.messages import (
    ChatRequest,
    Delta,
    FunctionCall,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    SamplingParams,
    Timings,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.unit.http.fake_plane import FakePlane

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "one two"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "talk", "messages": MESSAGES, **fields}


def events(response: httpx.Response) -> list[Any]:
    """The data of each server-sent event; the last must be [DONE]."""
    *data, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in data]


async def asked(client: httpx.AsyncClient, plane: FakePlane, **fields: Any) -> ChatRequest:
    """What the plane is asked when a body with `fields` is posted."""
    response = await client.post(PATH, json=body(**fields))
    assert response.status_code == 200, response.text
    request = plane.asked[-1]
    assert isinstance(request, ChatRequest)
    return request


async def refused(client: httpx.AsyncClient, plane: FakePlane, **fields: Any) -> dict[str, Any]:
    """The error with which a body with `fields` is refused, before the plane is asked."""
    response = await client.post(PATH, json=body(**fields))
    assert response.status_code == 400, response.text
    assert not plane.asked
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


async def test_a_whole_answer(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json=body())
    answer = response.json()
    assert response.headers["content-type"] == "application/json"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "talk"
    assert answer["created"] > 1_700_000_000
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "one two ", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "total_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


async def test_a_plain_request_leaves_everything_to_the_entry(client: httpx.AsyncClient, plane: FakePlane) -> None:
    assert await asked(client, plane) == ChatRequest(model="talk", messages=[Message("user", "one two")])


async def test_every_sampling_parameter_reaches_the_plane(client: httpx.AsyncClient, plane: FakePlane) -> None:
    parameters = {
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "presence_penalty": 0.2,
        "frequency_penalty": -0.2,
        "repetition_penalty": 1.1,
        "seed": 7,
        "logit_bias": {"5": -100},
        "stop": ["a", "b"],
        "stop_token_ids": [3],
        "include_stop_str_in_output": True,
        "ignore_eos": True,
    }
    assert set(parameters) == set(SamplingParams.__struct_fields__)
    request = await asked(client, plane, **parameters)
    assert request.sampling == SamplingParams(**{**parameters, "logit_bias": {5: -100.0}})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"stop": "END"}, "stop", ["END"]),
        ({"max_completion_tokens": 9}, "max_tokens", 9),
        ({"max_completion_tokens": 9, "stop": "END"}, "max_tokens", 9),
    ],
)
async def test_other_spellings_of_sampling_parameters(
    client: httpx.AsyncClient, plane: FakePlane, fields: dict[str, Any], name: str, value: object
) -> None:
    assert getattr((await asked(client, plane, **fields)).sampling, name) == value


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"n": 3}, "n", 3),
        ({"logprobs": True}, "top_logprobs", 0),
        ({"logprobs": True, "top_logprobs": 5}, "top_logprobs", 5),
        ({"response_format": {"type": "text"}}, "constraint", None),
        ({"response_format": {"type": "json_object"}}, "constraint", JsonObject()),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
            "constraint",
            JsonSchema({"type": "object"}),
        ),
        ({"grammar": "root ::= [a-z]+"}, "constraint", Grammar("root ::= [a-z]+")),
        ({"structured_outputs": {"json": {"type": "array"}}}, "constraint", JsonSchema({"type": "array"})),
        ({"structured_outputs": {"grammar": "root ::= [a-z]+"}}, "constraint", Grammar("root ::= [a-z]+")),
        ({"reasoning_effort": "low"}, "template_kwargs", {"reasoning_effort": "low"}),
        ({"chat_template_kwargs": {"thinking": False}}, "template_kwargs", {"thinking": False}),
        ({"tools": TOOLS, "parallel_tool_calls": False}, "parallel_tool_calls", False),
        ({"tools": TOOLS, "tool_choice": "required"}, "tool_choice", "required"),
        ({"tool_choice": "none"}, "tool_choice", "none"),
    ],
)
async def test_other_fields_reach_the_plane(
    client: httpx.AsyncClient, plane: FakePlane, fields: dict[str, Any], name: str, value: object
) -> None:
    assert getattr(await asked(client, plane, **fields), name) == value


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u"},
        {"metadata": {"a": "b"}},
        {"safety_identifier": "s"},
        {"prompt_cache_key": "k"},
        {"service_tier": "auto"},
        {"store": False},
        {"store": None},
        {"modalities": ["text"]},
        {"prediction": {"type": "content", "content": "x"}},
        {"audio": None, "functions": None, "function_call": None, "web_search_options": None, "verbosity": None},
        dict.fromkeys(SamplingParams.__struct_fields__),
    ],
)
async def test_fields_without_effect_are_taken(client: httpx.AsyncClient, plane: FakePlane, fields: dict[str, Any]) -> None:
    assert await asked(client, plane, **fields) == ChatRequest(model="talk", messages=[Message("user", "one two")])


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ({"audio": {"voice": "x"}}, "audio", "not supported"),
        ({"modalities": ["text", "audio"]}, "modalities[1]", "not supported"),
        ({"functions": [{"name": "f"}]}, "functions", "'tools'"),
        ({"function_call": "auto"}, "function_call", "'tool_choice'"),
        ({"web_search_options": {}}, "web_search_options", "does not search"),
        ({"verbosity": "low"}, "verbosity", "not supported"),
        ({"service_tier": "flex"}, "service_tier", "served alike"),
        ({"store": True}, "store", "keeps no answers"),
        ({"temprature": 1}, "temprature", "Did you mean 'temperature'?"),
        ({"messages": []}, "messages", "length >= 1"),
        (
            {"messages": [{"role": "user", "content": 4}]},
            "messages[0].content",
            "expected string or array or null, but got integer",
        ),
        ({"messages": [{"role": "wizard", "content": ""}]}, "messages[0].role", "'wizard'"),
        ({"messages": [{"role": "user", "content": "", "mood": 1}]}, "messages[0].mood", "Unknown parameter"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "needs 'content'"),
        ({"messages": [{"role": "assistant"}]}, "messages[0].content", "'tool_calls'"),
        ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].tool_call_id", "tool_call_id"),
        ({"messages": [{"content": ""}]}, "messages[0].role", "Missing required parameter"),
        ({"messages": [{"role": "user", "content": [{"type": "film"}]}]}, "messages[0].content[0].type", "'film'"),
        ({"temperature": -1}, "temperature", "number >= 0"),
        ({"top_p": 0}, "top_p", "number > 0"),
        ({"top_p": 1.1}, "top_p", "number <= 1"),
        ({"top_k": -2}, "top_k", "integer >= -1"),
        ({"min_p": 2}, "min_p", "number <= 1"),
        ({"repetition_penalty": 0}, "repetition_penalty", "number > 0"),
        ({"max_tokens": 0}, "max_tokens", "integer >= 1"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", "one of them"),
        ({"n": 0}, "n", "integer >= 1"),
        ({"n": "2"}, "n", "expected integer or null, but got string"),
        ({"seed": 2**70}, "seed", "2^63"),
        ({"top_k": 2**40}, "top_k", "<= 2147483647"),
        ({"chat_template_kwargs": {"deep": [2**70]}}, "chat_template_kwargs.deep[0]", "2^63"),
        ({"logit_bias": {"5": 101}}, "logit_bias[...]", "number <= 100"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "expected integer"),
        ({"stop": ""}, "stop", "length >= 1"),
        ({"stop": ["a"] * 17}, "stop", "length <= 16"),
        ({"top_logprobs": 3}, "top_logprobs", "'logprobs'"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "<= 20"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "'stream'"),
        ({"tool_choice": "auto"}, "tool_choice", "'tools'"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls", "'tools'"),
        ({"tools": TOOLS * 2}, "tools", "same name"),
        ({"tools": [{"type": "function", "function": {"name": "not a name"}}]}, "tools[0].function.name", "matching"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}},
            "tool_choice",
            "not among the 'tools'",
        ),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "Missing required parameter"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "'xml'"),
        ({"grammar": "x", "response_format": {"type": "json_object"}}, "grammar", "one way only"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(
    client: httpx.AsyncClient, plane: FakePlane, fields: dict[str, Any], param: str, part: str
) -> None:
    error = await refused(client, plane, **fields)
    assert error["param"] == param
    assert part in error["message"]


async def test_logprobs(client: httpx.AsyncClient) -> None:
    answer = (await client.post(PATH, json=body(logprobs=True, top_logprobs=1))).json()
    first = answer["choices"][0]["logprobs"]["content"][0]
    assert first["token"] == "one "
    assert first["bytes"] == [111, 110, 101, 32]
    assert first["top_logprobs"][0]["logprob"] == -0.5


async def test_a_stream(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json=body(stream=True))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    chunks = events(response)
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["system_fingerprint"]) for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert not any("usage" in chunk for chunk in chunks)
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "one "}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "two "}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
    ]


async def test_a_stream_with_usage_and_two_choices(client: httpx.AsyncClient) -> None:
    chunks = events(await client.post(PATH, json=body(stream=True, n=2, stream_options={"include_usage": True})))
    *others, last = chunks
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 6
    for index in (0, 1):
        own = [chunk["choices"][0] for chunk in others if chunk["choices"][0]["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(choice["delta"].get("content", "") for choice in own) == "one two "
        assert own[-1]["finish_reason"] == "stop"


async def test_tool_calls_whole_and_streamed(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.batches = [
        [Delta(0, tool_calls=[ToolCallDelta(0, "call_1", "weather")])],
        [
            Delta(0, tool_calls=[ToolCallDelta(0, arguments='{"city":')]),
            Delta(0, tool_calls=[ToolCallDelta(0, arguments='"Oslo"}')]),
        ],
        [Delta(0, finish_reason="tool_calls"), Usage(), Timings()],
    ]
    choice = (await client.post(PATH, json=body(tools=TOOLS))).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}],
    }
    deltas = [chunk["choices"][0]["delta"] for chunk in events(await client.post(PATH, json=body(tools=TOOLS, stream=True)))]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
        {},
    ]


async def test_an_answer_can_be_sent_back_in_the_next_request(client: httpx.AsyncClient, plane: FakePlane) -> None:
    call = ToolCall("call_1", FunctionCall("weather", "{}"))
    turn = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
    }
    answered = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
    request = await asked(client, plane, messages=[*MESSAGES, turn, answered], tools=TOOLS)
    assert request.messages[1].tool_calls == [call]
    assert request.messages[2] == Message("tool", "rain", tool_call_id="call_1")


async def test_reasoning(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.batches = [[Delta(0, reasoning="Hm."), Delta(0, text="Yes."), Delta(0, finish_reason="stop"), Usage(), Timings()]]
    message = (await client.post(PATH, json=body())).json()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm.", "Yes.")
    deltas = [chunk["choices"][0]["delta"] for chunk in events(await client.post(PATH, json=body(stream=True)))]
    assert deltas[1:3] == [{"reasoning_content": "Hm."}, {"content": "Yes."}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (Overloaded("The queue is full.", retry_after_s=2.4), "2"),
        (ModelNotReady("Loading.", retry_after_s=0.1), "1"),
        (InstanceLost("Gone."), None),
    ],
)
async def test_errors_before_the_first_token_are_ordinary_errors(
    client: httpx.AsyncClient, plane: FakePlane, *, stream: bool, error: JubakoError, retry_after: str | None
) -> None:
    plane.fail_before = error
    response = await client.post(PATH, json=body(stream=stream))
    assert response.status_code == error.http_status
    assert response.headers.get("retry-after") == retry_after
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["message"] == str(error)


async def test_an_error_in_the_middle_is_the_last_event(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.fail_after = InstanceLost("The instance died.")
    response = await client.post(PATH, json=body(stream=True))
    assert response.status_code == 200
    *_, last, rest = response.text.split("\n\n")
    assert rest == ""
    assert json.loads(last.removeprefix("data: ")) == {
        "error": {"message": "The instance died.", "type": "server_error", "param": None, "code": "instance_lost"}
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unexpected_error_tells_nothing_of_the_inside(
    client: httpx.AsyncClient, plane: FakePlane, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    plane.fail_before = RuntimeError("the password is hunter2")
    response = await client.post(PATH, json=body(stream=stream), headers={"x-request-id": "find-me"})
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "find-me" in response.json()["error"]["message"]
    assert "hunter2" in caplog.text


async def test_tokens_that_arrive_together_are_one_write(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.batches = [[Delta(0, text=letter) for letter in "abcdef"], [Delta(0, finish_reason="stop"), Usage(), Timings()]]
    async with client.stream("POST", PATH, json=body(stream=True)) as response:
        pieces = [piece async for piece in response.aiter_raw()]
    assert pieces[0].count(b"data: ") == 7


async def test_each_batch_is_sent_when_it_is_there(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.close_gate_after = 1
    async with client.stream("POST", PATH, json=body(stream=True)) as response:
        events = response.aiter_text()
        assert "one" in await anext(events)
        plane.gate.set()
        assert "[DONE]" in "".join([event async for event in events])
