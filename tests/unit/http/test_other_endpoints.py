"""Completions, embeddings, models, tokens, health and documentation."""

from __future__ import annotations

import base64
import json
import re
import struct
from typing import Any

import httpx
import pytest

from jubako.messages import CompletionRequest, Delta, EmbedRequest, Timings, TokenizeRequest, TokenLogprob, Usage, VersionStatus
from tests.unit.http.fake_plane import CHAT, FakePlane

# --- completions ------------------------------------------------------------------------------------------------------------


async def complete(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/completions", json={"model": "talk", "prompt": "one two", **fields})


async def test_a_completion(client: httpx.AsyncClient, plane: FakePlane) -> None:
    answer = (await complete(client)).json()
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert answer["choices"] == [{"index": 0, "text": "one two ", "logprobs": None, "finish_reason": "stop"}]
    assert answer["usage"]["total_tokens"] == 4
    request = plane.asked[0]
    assert isinstance(request, CompletionRequest)
    assert request.sampling.max_tokens == 16


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ("", [""]),
    ],
)
async def test_the_four_forms_of_prompts(client: httpx.AsyncClient, plane: FakePlane, prompt: object, prompts: object) -> None:
    response = await complete(client, prompt=prompt, echo=True, n=2, best_of=2, max_tokens=3)
    assert response.status_code == 200
    request = plane.asked[0]
    assert isinstance(request, CompletionRequest)
    assert (request.prompts, request.echo, request.n, request.sampling.max_tokens) == (prompts, True, 2, 3)
    assert len(response.json()["choices"]) == 2 * len(request.prompts)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": ["a"] * 100, "n": 100}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"max_completion_tokens": 1}, "max_completion_tokens"),
    ],
)
async def test_a_wrong_completion_is_refused(
    client: httpx.AsyncClient, plane: FakePlane, fields: dict[str, Any], param: str
) -> None:
    response = await complete(client, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert not plane.asked


async def test_logprobs_in_the_old_form(client: httpx.AsyncClient) -> None:
    logprobs = (await complete(client, logprobs=1)).json()["choices"][0]["logprobs"]
    assert logprobs == {
        "text_offset": [0, 4],
        "token_logprobs": [-0.5, -0.5],
        "tokens": ["one ", "two "],
        "top_logprobs": [{"one ": -0.5}, {"two ": -0.5}],
    }


async def test_streamed_completions_count_offsets_on(client: httpx.AsyncClient) -> None:
    response = await complete(client, logprobs=0, stream=True, stream_options={"include_usage": True})
    *data, done, _ = response.text.split("\n\n")
    assert done == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in data]
    choices = [chunk["choices"][0] for chunk in chunks[:-1]]
    assert [choice["text"] for choice in choices] == ["one ", "two ", ""]
    assert [choice["finish_reason"] for choice in choices] == [None, None, "stop"]
    assert [choice["logprobs"]["text_offset"] for choice in choices[:2]] == [[0], [4]]
    assert choices[0]["logprobs"]["top_logprobs"] is None
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 2


async def test_an_echoed_prompt_without_logprobs_moves_the_offsets(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.batches = [[Delta(0, text="prompt "), *plane_deltas("a "), Delta(0, finish_reason="stop"), Usage(), Timings()]]
    echoed = (await complete(client, echo=True, logprobs=0)).json()["choices"][0]
    assert echoed["text"] == "prompt a "
    assert echoed["logprobs"]["text_offset"] == [len("prompt ")]


def plane_deltas(token: str) -> list[Delta]:
    return [Delta(0, text=token, logprobs=[TokenLogprob(token, -1.0, list(token.encode()), [])])]


# --- embeddings -------------------------------------------------------------------------------------------------------------


async def test_embeddings_as_numbers_and_as_base64(client: httpx.AsyncClient, plane: FakePlane) -> None:
    asked = {"model": "embed", "input": ["a", "b"], "dimensions": 3}
    answer = (await client.post("/v1/embeddings", json=asked)).json()
    assert answer["object"] == "list"
    assert answer["model"] == "embed"
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert answer["data"][1] == {"object": "embedding", "index": 1, "embedding": [0.5, -0.25, 1.0]}
    assert plane.asked[0] == EmbedRequest(model="embed", inputs=["a", "b"], dimensions=3)
    packed = (await client.post("/v1/embeddings", json={**asked, "encoding_format": "base64"})).json()["data"][1]["embedding"]
    assert struct.unpack("<3f", base64.b64decode(packed)) == (0.5, -0.25, 1.0)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
    ],
)
async def test_a_wrong_embedding_is_refused(client: httpx.AsyncClient, fields: dict[str, Any], param: str) -> None:
    response = await client.post("/v1/embeddings", json={"model": "embed", "input": "a", **fields})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/embeddings", {"model": "talk", "input": "a"}),
        ("/v1/completions", {"model": "embed", "prompt": "a"}),
        ("/v1/chat/completions", {"model": "embed", "messages": [{"role": "user", "content": "a"}]}),
    ],
)
async def test_a_model_that_serves_something_else_says_what(client: httpx.AsyncClient, path: str, fields: dict[str, Any]) -> None:
    response = await client.post(path, json=fields)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["param"], error["code"]) == ("model", "unsupported_task")
    assert "/v1/" in error["message"].partition("It serves:")[2]


# --- models -----------------------------------------------------------------------------------------------------------------


async def test_the_list_of_models(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/models")).json()
    assert answer["object"] == "list"
    assert answer["data"][0] == {
        "id": "talk",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "jubako",
        "aliases": ["talk:2b", "Org/Talk-2B"],
        "state": "READY",
        "reason": None,
        "version": 2,
        "tasks": ["chat", "completion"],
        "backend": "echo",
        "max_model_len": 2048,
        "version_aliases": {},
        "interface_digest": "5d7ec90b90a1a06e959d4fc3ca16c0dbb6acf1cb13c4bce9b65a9ff07bd9052f",
    }


@pytest.mark.parametrize("name", ["talk", "talk:2b", "Org/Talk-2B", "Org%2FTalk-2B", "talk%3A2b"])
async def test_a_model_by_any_of_its_names(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/v1/models/{name}")).json()["id"] == "talk"


async def test_an_unknown_model(client: httpx.AsyncClient) -> None:
    asked = {"model": "tlak", "messages": [{"role": "user", "content": "a"}]}
    for response in (await client.get("/v1/models/tlak"), await client.post("/v1/chat/completions", json=asked)):
        assert response.status_code == 404
        assert response.json()["error"] == {
            "message": "The model 'tlak' does not exist. Did you mean 'talk'?",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }


# --- tokens -----------------------------------------------------------------------------------------------------------------


async def test_tokenize_and_back(client: httpx.AsyncClient, plane: FakePlane) -> None:
    answer = (await client.post("/tokenize", json={"model": "talk", "prompt": "hi"})).json()
    assert answer == {"tokens": [104, 105], "count": 2, "max_model_len": 2048, "token_strs": None}
    asked = {"model": "talk", "prompt": "hi", "return_token_strs": True, "add_special_tokens": False}
    assert (await client.post("/tokenize", json=asked)).json()["token_strs"] == ["h", "i"]
    assert plane.asked[1] == TokenizeRequest(model="talk", text="hi", add_special_tokens=False, with_pieces=True)
    assert (await client.post("/detokenize", json={"model": "talk", "tokens": [1, 2]})).json() == {"prompt": "1 2"}


@pytest.mark.parametrize("fields", [{}, {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}])
async def test_tokenize_takes_one_of_text_and_messages(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    response = await client.post("/tokenize", json={"model": "talk", **fields})
    assert response.status_code == 400
    assert "either 'prompt' or 'messages'" in response.json()["error"]["message"]


# --- the server -------------------------------------------------------------------------------------------------------------


async def test_health(client: httpx.AsyncClient, plane: FakePlane) -> None:
    assert (await client.get("/livez")).json() == {"alive": True}
    assert (await client.get("/readyz")).status_code == 200
    plane.is_ready = False
    plane.statuses = [
        VersionStatus(
            model="big", version=1, state="LOADING", served_names=[], tasks=["chat"], backend="echo", reason="It is loading."
        )
    ]
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "models": [{"model": "big", "version": 1, "state": "LOADING", "reason": "It is loading."}],
    }
    assert (await client.get("/livez")).status_code == 200


async def test_metrics(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "jubako_requests_total" in response.text


async def test_the_documentation_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        assert (await client.get(f"/{link}")).status_code == 200, link
    assert (await client.get("/docs/../../secrets.py")).status_code == 404
    assert (await client.get("/docs/index.css")).status_code == 404


async def test_the_index_links_to_what_there_is(client: httpx.AsyncClient) -> None:
    for link in re.findall(r'href="([^"]+)"', (await client.get("/")).text):
        assert (await client.get(f"/{link}")).status_code == 200, link


async def test_the_examples_of_the_document_work(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    tried = 0
    for path, item in document["paths"].items():
        for example in (
            item.get("post", {})
            .get("requestBody", {})
            .get("content", {})
            .get("application/json", {})
            .get("examples", {})
            .values()
        ):
            response = await client.post(path, json=example["value"])
            assert response.status_code == 200, (path, response.text)
            tried += 1
    assert tried == 9
    assert CHAT.model in json.dumps(document["paths"])


async def test_what_clients_are_written_against(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/interfaces")).json()
    models = {model["name"]: model for model in answer["data"]}
    assert models["talk"]["served_names"] == ["talk:2b", "Org/Talk-2B"]
    assert models["talk"]["tasks"] == ["chat", "completion"]
    assert models["talk"]["digest"] == (await client.get("/v1/models/talk")).json()["interface_digest"]
