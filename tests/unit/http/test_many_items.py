"""Requests of more items than any caller has: they are refused by number, whatever their size."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from jubako.dataplane.limits import MAX_INPUTS, MAX_ITEMS
from jubako.settings import Settings
from tests.unit.http.fake_plane import FakePlane

USER = {"role": "user", "content": ""}
PART = {"type": "text", "text": ""}
CALL = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
HALF = MAX_ITEMS // 2


@pytest.fixture
def settings() -> Settings:
    return Settings(access_log=False)


def chat(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"model": "talk", "messages": messages, **fields}


TOO_MANY = {
    "messages": (chat([USER] * (MAX_ITEMS + 1)), "messages"),
    "parts": (chat([{**USER, "content": [PART] * MAX_ITEMS}]), "messages[0].content"),
    "parts of all": (chat([{**USER, "content": [PART] * HALF}] * 2), "messages[1].content"),
    "calls": (chat([{"role": "assistant", "tool_calls": [CALL] * MAX_ITEMS}]), "messages[0].tool_calls"),
    "variables": (chat([USER], chat_template_kwargs={"a": [0] * HALF, "b": {"c": [[]] * HALF}}), "chat_template_kwargs"),
}


@pytest.mark.parametrize("name", TOO_MANY)
async def test_more_items_than_are_taken_are_refused(client: httpx.AsyncClient, plane: FakePlane, name: str) -> None:
    body, param = TOO_MANY[name]
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, "invalid_value")
    assert error["message"] == f"The request has more items than {MAX_ITEMS}, the most that are taken, with those in {param!r}."
    assert plane.asked == []


async def test_tokens_of_a_chat_are_bounded_as_the_chat_is(client: httpx.AsyncClient, plane: FakePlane) -> None:
    answer = await client.post("/tokenize", json=chat([USER] * (MAX_ITEMS + 1)))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages")
    assert plane.asked == []


@pytest.mark.parametrize(
    "body",
    [
        chat([USER] * MAX_ITEMS),
        chat([{**USER, "content": [PART] * (HALF - 1)}] * 2),
        chat([USER], chat_template_kwargs={"a": [0] * (MAX_ITEMS - 1)}),
    ],
)
async def test_as_many_as_are_taken_are_taken(client: httpx.AsyncClient, plane: FakePlane, body: dict[str, Any]) -> None:
    assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
    assert len(plane.asked) == 1


@pytest.mark.parametrize("prompt", [[""] * (MAX_INPUTS + 1), [[1]] * (MAX_INPUTS + 1), [[]] * (MAX_INPUTS + 1)])
async def test_prompts_are_counted_before_they_are_looked_at(client: httpx.AsyncClient, prompt: list[Any]) -> None:
    answer = await client.post("/v1/completions", json={"model": "talk", "prompt": prompt})
    assert answer.json()["error"]["message"] == f"'prompt' has {MAX_INPUTS + 1} entries; at most {MAX_INPUTS} are taken."


async def test_the_place_of_an_integer_that_is_too_large_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/chat/completions", json=chat([USER], chat_template_kwargs={"a": [1, {"b": [0, 2**63]}]}))
    assert answer.json()["error"]["param"] == "chat_template_kwargs.a[1].b[1]"
