"""Upstream models as their callers see them: jubako's own server as the upstream of another."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from jubako.paths import shipped
from tests.serving import Server, free_port, words_of

KEY = "sk-serving-secret-0123456789"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to everybody here."}]


def entry(folder: Path, name: str, text: str) -> None:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "model.yaml").write_text(text)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a real model and of the echo."""
    folder = tmp_path_factory.mktemp("upstream")
    entry(folder / "repository", "echo", "backend: echo\nengine: {token_delay_s: 0.03}\n")
    shared = shipped("model_repository") / "smollm2"
    (folder / "repository" / "smollm2").symlink_to(shared, target_is_directory=True)
    with Server(folder / "repository", folder / "server.log", {}) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose models all are the other's."""
    folder = tmp_path_factory.mktemp("gateway")
    repository = folder / "repository"
    common = f"backend: openai\nengine: {{provider: jubako, base_url: {upstream.api}, api_key_env: UPSTREAM_KEY, model: %s}}\n"
    entry(repository, "remote", common % "smollm2" + "tasks: [chat, completion]\n")
    entry(repository, "far-echo", common % "echo" + "tasks: [chat, completion, embedding]\n")
    entry(repository, "nobody", common % "no-such-model")
    entry(
        repository, "down", f"backend: openai\nengine: {{base_url: 'http://127.0.0.1:{free_port()}/v1', retries: {{max: 0}}}}\n"
    )
    entry(repository, "keyless", "backend: openai\nengine: {provider: deepseek}\n")
    entry(repository, "written", f"backend: openai\nengine: {{api_key: {KEY}}}\n")
    settings = {"UPSTREAM_KEY": KEY, "JUBAKO_LOG_LEVEL": "debug"}
    with Server(repository, folder / "server.log", settings) as running:
        yield running


@pytest.fixture
def client(gateway: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.api, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def direct(upstream: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=upstream.api, api_key="unused", max_retries=0) as client:
        yield client


def test_a_real_model_answers_as_it_does_directly(client: openai.OpenAI, direct: openai.OpenAI) -> None:
    here, there = (
        each.chat.completions.create(model=name, messages=MESSAGES, temperature=0, max_tokens=16)
        for each, name in ((client, "remote"), (direct, "smollm2"))
    )
    assert here.choices == there.choices
    assert here.usage is not None
    assert there.usage is not None
    assert here.usage.prompt_tokens == there.usage.prompt_tokens
    assert here.usage.completion_tokens == there.usage.completion_tokens == 16
    streamed = client.chat.completions.create(
        model="remote", messages=MESSAGES, temperature=0, max_tokens=16, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(streamed)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == here.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 16


def test_a_stream_comes_piece_by_piece(client: openai.OpenAI) -> None:
    text = " ".join(str(number) for number in range(100))
    answer = client.completions.create(model="far-echo", prompt=text, max_tokens=100, stream=True)
    pieces = [chunk.choices[0].text for chunk in answer if chunk.choices]
    assert "".join(pieces) == text
    # How many words come together is the machine's to say; all of them are not.
    assert len(pieces) > 1


def test_embeddings_equal_the_upstreams(client: openai.OpenAI, direct: openai.OpenAI) -> None:
    inputs = ["one", "two words"]
    assert [each.embedding for each in client.embeddings.create(model="far-echo", input=inputs).data] == [
        each.embedding for each in direct.embeddings.create(model="echo", input=inputs).data
    ]


def test_tokens_are_the_upstreams(gateway: Server, upstream: Server) -> None:
    told = httpx.post(f"{gateway.url}/tokenize", json={"model": "remote", "prompt": "Hello there"}).json()
    asked = httpx.post(f"{upstream.url}/tokenize", json={"model": "smollm2", "prompt": "Hello there"}).json()
    assert told["tokens"] == asked["tokens"]
    text = httpx.post(f"{gateway.url}/detokenize", json={"model": "remote", "tokens": told["tokens"]}).json()
    assert text["prompt"] == "Hello there"


def test_what_the_upstream_refuses_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="remote", messages=[{"role": "user", "content": "word " * 5000}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=MESSAGES)
    assert "no-such-model" in missing.value.message


def test_an_upstream_that_is_down_leaves_the_entry_ready(gateway: Server, client: openai.OpenAI) -> None:
    models = {model["id"]: model for model in httpx.get(f"{gateway.api}/models").json()["data"]}
    assert models["down"]["state"] == "READY"
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="down", messages=MESSAGES)
    assert caught.value.status_code == 503
    assert caught.value.code == "upstream_unavailable"
    assert caught.value.response.headers["retry-after"] == "1"


def test_an_entry_without_its_key_says_which(gateway: Server) -> None:
    models = {model["name"]: model for model in httpx.post(f"{gateway.url}/v2/repository/index", json={}).json()}
    assert "DEEPSEEK_API_KEY" in models["keyless"]["reason"]
    assert "`api_key_env` or `api_key_file`" in models["written"]["reason"]


def test_the_key_is_shown_nowhere(gateway: Server, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="far-echo", messages=MESSAGES)
    paths = ["/v1/models", "/v1/models/remote", "/metrics", "/readyz", "/openapi.json", "/v2", "/v2/models/remote"]
    paths += ["/v2/models/remote/config", "/v2/models/remote/stats", "/v2/models/stats", "/v2/models/remote/ready"]
    shown = [httpx.get(f"{gateway.url}{path}").text for path in paths]
    shown.append(httpx.post(f"{gateway.url}/v2/repository/index", json={}).text)
    shown += [" ".join(words_of(process)) for process in gateway.tree()]
    shown.append(subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout)
    shown.append(gateway.log.read_text())
    assert "jubako_upstream_requests_total" in shown[2]
    assert not [text for text in shown if KEY in text]
