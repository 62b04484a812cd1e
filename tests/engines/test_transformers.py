"""What is particular to text on transformers. What all text engines do is in test_conformance.py."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engines.conftest import MakeEnvironment, Serve
from tests.serving import Server

CONTEXT = 512
COUNTING = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,"
"""Goes on in one way only, so that rounding decides nothing."""

POISON = 777
"""A token at which the fragile model fails."""

FRAGILE = f"""
from transformers import LlamaForCausalLM

class Fragile(LlamaForCausalLM):
    def forward(self, input_ids=None, **rest):
        if (input_ids == {POISON}).any():
            raise RuntimeError("poisoned")
        return super().forward(input_ids=input_ids, **rest)
"""

SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    {"type": "array", "items": {"enum": ["rice", "fish", "pickles"]}, "minItems": 2, "maxItems": 4},
    {
        "type": "object",
        "properties": {"kind": {"const": "box"}, "tiers": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}},
        "required": ["kind", "tiers"],
        "additionalProperties": False,
    },
]


@pytest.fixture(scope="module")
def fragile_folder(smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 with code of its own beside the weights."""
    folder = tmp_path_factory.mktemp("fragile") / "model"
    shutil.copytree(smollm2_folder, folder)
    (folder / "fragile.py").write_text(FRAGILE)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "fragile.Fragile"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def server(serve: Serve, environment: MakeEnvironment, smollm2_folder: Path, fragile_folder: Path) -> Server:
    environment("transformers")
    engine = f"engine: {{max_model_len: {CONTEXT}, max_num_seqs: 8, dtype: float32, page_size: 16, trust_remote_code: true}}\n"
    return serve(
        smol=f"backend: transformers\nsource: file:{smollm2_folder}\n{engine}",
        fragile=f"backend: transformers\nsource: file:{fragile_folder}\n{engine}",
    )


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.api, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.api, api_key="unused", max_retries=0) as client:
        yield client


def metric(server: Server, name: str) -> float:
    for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text):
        for sample in family.samples:
            if sample.name == name and sample.labels["model_name"] == "smol":
                return float(sample.value)
    raise AssertionError(f"there is no metric {name}")


async def complete(client: openai.AsyncOpenAI, prompt: str = COUNTING, **parameters: Any) -> str:
    answer: openai.types.Completion = await client.completions.create(model="smol", prompt=prompt, **parameters)
    return answer.choices[0].text


async def test_hundreds_of_cancelled_requests_leave_nothing_behind(server: Server, async_client: openai.AsyncOpenAI) -> None:
    async def leave_early(number: int) -> None:
        stream = await async_client.completions.create(
            model="smol", prompt=f"Story {number}:", max_tokens=400, stream=True, extra_body={"ignore_eos": True}
        )
        async for _ in stream:
            break
        await stream.close()

    async def wave(first: int) -> int:
        # Twice as many as there are slots, so that some are cancelled while they wait.
        await asyncio.gather(*(leave_early(first + number) for number in range(16)))
        # Served only if the slots are free again.
        await asyncio.gather(*(complete(async_client, max_tokens=1) for _ in range(8)))
        return sum(process.memory_info().rss for process in server.instances)

    before = [await wave(16 * number) for number in range(3)][-1]
    after = [await wave(1000 + 16 * number) for number in range(10)][-1]
    assert after - before < 32 * 1024 * 1024
    server.wait_until(lambda: metric(server, "vllm:num_requests_running") == 0)
    server.wait_until(lambda: metric(server, "vllm:kv_cache_usage_perc") == 0)


async def test_a_cancelled_request_frees_its_slot_while_its_prompt_is_computed(async_client: openai.AsyncOpenAI) -> None:
    asking = [asyncio.create_task(complete(async_client, "word " * 480, max_tokens=20)) for _ in range(8)]
    await asyncio.sleep(0.2)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert await asyncio.wait_for(complete(async_client, max_tokens=3), 120)


async def test_a_greedy_answer_is_the_same_beside_sampled_ones(async_client: openai.AsyncOpenAI) -> None:
    alone = await complete(async_client, max_tokens=12, temperature=0)
    assert "12, 13" in alone
    wild: list[dict[str, Any]] = [
        {"temperature": 1.9, "seed": 1},
        {"temperature": 1.9, "top_p": 0.9},
        {"temperature": 1.0, "extra_body": {"top_k": 40, "min_p": 0.01}},
        {"temperature": 1.5, "presence_penalty": 1.5, "frequency_penalty": 1.5},
        {"temperature": 1.0, "logit_bias": {"100": 5}},
        {"temperature": 1.0, "extra_body": {"grammar": 'root ::= [a-z]{8} " " [0-9]{3}'}},
    ]
    among, other, *_ = await asyncio.gather(
        complete(async_client, max_tokens=12, temperature=0),
        complete(async_client, max_tokens=12, temperature=0, extra_body={"repetition_penalty": 1.5}),
        *(complete(async_client, max_tokens=12, **parameters) for parameters in wild),
    )
    assert among == alone
    assert other != alone


async def test_a_seed_repeats_in_any_company(async_client: openai.AsyncOpenAI) -> None:
    async def draw(seed: int | None) -> str:
        return await complete(async_client, "My lunch box holds", max_tokens=16, temperature=1.3, seed=seed, top_p=0.95)

    alone = [await draw(seed) for seed in (1, 2)]
    *together, free, freer = await asyncio.gather(draw(1), draw(2), draw(1), draw(None), draw(None))
    assert together == [*alone, alone[0]]
    assert alone[0] != alone[1]
    assert free != freer


async def test_answers_that_must_meet_schemas_do_whatever_the_temperature(async_client: openai.AsyncOpenAI) -> None:
    """At a high temperature, hardly a token would be right by chance."""

    async def ask(schema: dict[str, Any], seed: int) -> None:
        answer = await async_client.chat.completions.create(
            model="smol",
            messages=[{"role": "user", "content": "Describe a lunch box."}],
            response_format={"type": "json_schema", "json_schema": {"name": "it", "schema": schema}},
            max_tokens=120,
            temperature=1.5,
            seed=seed,
        )
        assert answer.choices[0].finish_reason == "stop"
        jsonschema.validate(json.loads(answer.choices[0].message.content or ""), schema)

    asking = [ask(schema, seed) for seed in range(4) for schema in SCHEMAS]
    free = asyncio.create_task(complete(async_client, max_tokens=12, temperature=0))
    await asyncio.gather(*asking)
    assert "12, 13" in await free


def test_logprobs_are_those_that_the_library_computes(
    client: openai.OpenAI, environment: MakeEnvironment, smollm2_folder: Path
) -> None:
    python = Path(environment("transformers")) / "bin" / "python"
    script = Path(__file__).with_name("hf_logprobs.py")
    command = [str(python), str(script), str(smollm2_folder), COUNTING, "6"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    own = json.loads(subprocess.run(command, env=variables, stdout=subprocess.PIPE, timeout=300, check=True).stdout)
    logprobs = (
        client.completions.create(model="smol", prompt=COUNTING, max_tokens=6, temperature=0, logprobs=5).choices[0].logprobs
    )
    assert logprobs is not None
    assert logprobs.tokens == [text for text, _ in own]
    assert logprobs.token_logprobs == pytest.approx([logprob for _, logprob in own], abs=1e-3)
    for top, logprob in zip(logprobs.top_logprobs or [], logprobs.token_logprobs or [], strict=True):
        assert len(top) == 5
        assert max(top.values()) == logprob
        assert 0 < sum(map(math.exp, top.values())) <= 1 + 1e-5


def test_logprobs_of_a_sampled_answer_are_of_the_tokens_it_has(client: openai.OpenAI) -> None:
    choice = client.completions.create(model="smol", prompt="Once", max_tokens=12, temperature=1.2, logprobs=1, seed=5).choices[0]
    assert choice.logprobs is not None
    assert "".join(choice.logprobs.tokens or []) == choice.text
    # A drawn token is often not the likeliest one.
    tops = [max(top.values()) for top in choice.logprobs.top_logprobs or []]
    own = choice.logprobs.token_logprobs or []
    assert all(drawn <= top for drawn, top in zip(own, tops, strict=True))
    assert own != tops


def test_a_prompt_that_begins_as_an_earlier_one_is_not_computed_again(client: openai.OpenAI) -> None:
    prompt = "The lunch box has three tiers. " * 20
    first, second = (
        client.completions.create(model="smol", prompt=prompt + ending, max_tokens=2, temperature=0).usage
        for ending in ("One", "Two")
    )
    assert first is not None
    assert second is not None
    assert second.prompt_tokens_details is not None
    assert 100 < (second.prompt_tokens_details.cached_tokens or 0) < second.prompt_tokens


def test_an_answer_ends_where_the_context_does(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="smol", prompt="word " * 490, max_tokens=100_000, temperature=0, extra_body={"ignore_eos": True}
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.total_tokens == CONTEXT


def test_a_stop_token_can_be_part_of_the_answer(client: openai.OpenAI) -> None:
    tokens = client.post("/../tokenize", body={"model": "smol", "prompt": " blue"}, cast_to=dict[str, Any])["tokens"]
    answer = client.completions.create(
        model="smol",
        prompt="My favourite is",
        max_tokens=9,
        temperature=0,
        logit_bias={str(tokens[-1]): 100},
        extra_body={"stop_token_ids": tokens, "include_stop_str_in_output": True},
    )
    assert answer.choices[0].text == " blue"


def test_a_grammar_that_is_none_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="smol", prompt="a", extra_body={"grammar": "root ::= missing"})
    assert caught.value.param == "grammar"


def test_an_instance_whose_engine_fails_is_replaced(server: Server, client: openai.OpenAI) -> None:
    hello = {"model": "fragile", "prompt": "Hello", "max_tokens": 2}
    server.wait_until(lambda: httpx.post(f"{server.api}/completions", json=hello, timeout=60).status_code == 200)
    with pytest.raises(openai.InternalServerError) as caught:
        client.completions.create(model="fragile", prompt=[POISON], max_tokens=2)
    assert caught.value.status_code == 503
    server.wait_until(lambda: "poisoned" in server.log.read_text())
    server.wait_until(lambda: httpx.post(f"{server.api}/completions", json=hello, timeout=60).status_code == 200)
