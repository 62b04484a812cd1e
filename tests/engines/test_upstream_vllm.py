"""vLLM's own server as an upstream."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from tests.engines.conftest import MakeEnvironment, Serve
from tests.serving import Server, free_port

START_TIMEOUT_S = 600
CONTEXT = 512
MESSAGES: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Name a colour."}]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def vllm_url(environment: MakeEnvironment, smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's OpenAI server with SmolLM2, run as its documentation says."""
    port = free_port()
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    command = [str(Path(environment("vllm")) / "bin" / "python"), "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(smollm2_folder), "--served-model-name", "theirs", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--max-model-len", str(CONTEXT), "--max-num-seqs", "4", "--enforce-eager"]
    variables = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as output:
        process = psutil.Popen(command, env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, log)
            yield url
        finally:
            tree = [process, *process.children(recursive=True)]
            for each in tree:
                each.kill()
            psutil.wait_procs(tree, timeout=20)


def _wait(process: psutil.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"vLLM's server did not start:\n{log.read_text()[-8000:]}")


@pytest.fixture(scope="module")
def server(serve: Serve, vllm_url: str) -> Server:
    return serve(
        ours=f"backend: openai\ntasks: [chat, completion]\nengine: {{provider: vllm, base_url: {vllm_url}/v1, model: theirs}}\n"
    )


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.api, api_key="unused", max_retries=0) as client:
        yield client


def test_it_answers_as_it_does_directly(client: openai.OpenAI, vllm_url: str) -> None:
    with openai.OpenAI(base_url=f"{vllm_url}/v1", api_key="unused") as direct:
        there = direct.chat.completions.create(model="theirs", messages=MESSAGES, temperature=0, max_tokens=16, logprobs=True)
    here = client.chat.completions.create(model="ours", messages=MESSAGES, temperature=0, max_tokens=16, logprobs=True)
    assert here.choices[0].message.content == there.choices[0].message.content
    assert here.choices[0].finish_reason == there.choices[0].finish_reason
    assert (here.usage and here.usage.prompt_tokens) == (there.usage and there.usage.prompt_tokens)
    assert here.choices[0].logprobs is not None
    assert here.choices[0].logprobs.content is not None
    assert len(here.choices[0].logprobs.content) == 16
    chunks = list(
        client.chat.completions.create(
            model="ours", messages=MESSAGES, temperature=0, max_tokens=16, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == here.choices[0].message.content
    assert chunks[-1].usage == here.usage


def test_what_only_vllm_takes_is_sent(client: openai.OpenAI) -> None:
    grammar = {"grammar": 'root ::= "red" | "blue"', "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1}
    answer = client.chat.completions.create(model="ours", messages=MESSAGES, max_tokens=8, extra_body=grammar)
    assert answer.choices[0].message.content in ("red", "blue")
    scored = client.completions.create(model="ours", prompt="The sky is", max_tokens=1, echo=True, logprobs=2, temperature=0)
    assert scored.choices[0].text.startswith("The sky is")
    assert scored.choices[0].logprobs is not None
    assert len(scored.choices[0].logprobs.tokens or []) == 4


def test_its_refusals_are_passed_on(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="ours", messages=[{"role": "user", "content": "word " * (2 * CONTEXT)}])
    assert caught.value.code == "context_length_exceeded"


def test_tokens_there_and_back(server: Server) -> None:
    told = httpx.post(f"{server.url}/tokenize", json={"model": "ours", "prompt": "Hello there"}).json()
    assert told["max_model_len"] == CONTEXT
    text = httpx.post(f"{server.url}/detokenize", json={"model": "ours", "tokens": told["tokens"]}).json()
    assert text["prompt"] == "Hello there"
