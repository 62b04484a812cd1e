"""Log probabilities of prompts over HTTP, from a text backend on an engine that scores them: one token a character."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from jubako.backends.base import ModelSpec
from jubako.backends.text.engine import EngineInfo, GenerationParams, Piece, TextEngine
from jubako.backends.text.model import TextBackend
from jubako.messages import Caller, GenerateRequest, GenerateResult, Prompt, TokenIds, TokenLogprob, TopLogprob
from tests.unit.http.fake_plane import FakePlane

TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


class Scorer(TextEngine):
    """Answers "!" to everything. The likeliest token is always "e", at half the logarithms."""

    def __init__(self) -> None:
        self.scores = True
        self.asked: list[GenerationParams] = []

    @property
    def progress(self) -> int:
        return 0

    async def load(self) -> EngineInfo:
        return EngineInfo(context_length=64, vocab_size=128, slots=4, chat_template=TEMPLATE, scores_prompt=self.scores)

    async def close(self) -> None:
        pass

    async def generate(self, prompt: Prompt, params: GenerationParams) -> AsyncGenerator[Piece, None]:
        self.asked.append(params)
        tokens = await self.tokenize(prompt, add_special=False) if isinstance(prompt, str) else prompt
        asked = params.prompt_logprobs
        scored = [_logprob(token, asked) for token in tokens] if asked is not None else []
        if scored:
            scored[0] = TokenLogprob(chr(tokens[0]), math.nan, [tokens[0]], [], tokens[0])
        own = [_logprob(ord("!"), params.top_logprobs)] if params.top_logprobs is not None else []
        yield Piece("!", 1, len(tokens), logprobs=own, finish_reason="stop", prompt_logprobs=scored)

    async def tokenize(self, text: str, *, add_special: bool) -> TokenIds:
        return list(text.encode("ascii"))

    async def pieces(self, text: str, *, add_special: bool) -> tuple[TokenIds, list[str]]:
        return await self.tokenize(text, add_special=add_special), list(text)

    async def detokenize(self, tokens: TokenIds) -> str:
        return bytes(tokens).decode("ascii")

    async def embed(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        raise NotImplementedError


def _logprob(token: int, top: int | None) -> TokenLogprob:
    likely = [TopLogprob("e", -0.5, [101], 101)] if top else []
    return TokenLogprob(chr(token), -0.5 if token == 101 else -math.inf, [token], likely, token)


class Scoring(TextBackend):
    engine: Scorer

    def make_engine(self) -> Scorer:
        self.engine = Scorer()
        return self.engine


class Call:
    """Nobody to tell that a call waits."""

    caller = Caller("id")
    stream = False

    def queued(self) -> None: ...

    def started(self) -> None: ...


class ScoringPlane(FakePlane):
    """Answers with a real text backend."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = Scoring(ModelSpec(model="talk", version=2, implementation="", tasks=["chat", "completion"]))

    async def generate(self, request: GenerateRequest, caller: Caller) -> GenerateResult:
        return GenerateResult.from_events([event async for event in self.backend.generate(request, Call())])


@pytest.fixture
async def plane() -> ScoringPlane:
    plane = ScoringPlane()
    await plane.backend.load()
    return plane


async def ask(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    question = {"messages": [{"role": "user", "content": "hex"}]} if "chat" in path else {"prompt": "hex"}
    return await client.post(path, json={"model": "talk", **question, **fields})


E_ONLY = {"101": {"logprob": -0.5, "rank": None, "decoded_token": "e"}}
WITH_ONE = [
    None,
    {"101": {"logprob": -0.5, "rank": 1, "decoded_token": "e"}},
    {
        "120": {"logprob": -9999.0, "rank": None, "decoded_token": "x"},
        "101": {"logprob": -0.5, "rank": 1, "decoded_token": "e"},
    },
]


async def test_of_a_chat(client: httpx.AsyncClient, plane: ScoringPlane) -> None:
    answer = (await ask(client, "/v1/chat/completions", prompt_logprobs=1, n=2)).json()
    assert answer["prompt_logprobs"] == WITH_ONE
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["!", "!"]
    assert sorted(params.prompt_logprobs or 0 for params in plane.backend.engine.asked) == [0, 1], "the prompt is scored once"


async def test_of_a_completion(client: httpx.AsyncClient) -> None:
    answer = (await ask(client, "/v1/completions", prompt=["hex", "e"], prompt_logprobs=1)).json()
    assert [choice["prompt_logprobs"] for choice in answer["choices"]] == [WITH_ONE, [None]]
    assert [choice["text"] for choice in answer["choices"]] == ["!", "!"]
    assert [choice["logprobs"] for choice in answer["choices"]] == [None, None]


async def test_of_the_tokens_alone(client: httpx.AsyncClient) -> None:
    answer = (await ask(client, "/v1/chat/completions", prompt_logprobs=0)).json()
    assert answer["prompt_logprobs"][:2] == [None, E_ONLY]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_they_are_not_there_unless_asked_for(client: httpx.AsyncClient, path: str) -> None:
    assert "prompt_logprobs" not in (await ask(client, path)).text


async def test_an_echoed_prompt_has_log_probabilities_but_for_its_first_token(client: httpx.AsyncClient) -> None:
    (choice,) = (await ask(client, "/v1/completions", prompt="he", echo=True, logprobs=1)).json()["choices"]
    assert choice == {
        "index": 0,
        "text": "he!",
        "logprobs": {
            "text_offset": [0, 1, 2],
            "token_logprobs": [None, -0.5, None],
            "tokens": ["h", "e", "!"],
            "top_logprobs": [None, {"e": -0.5}, {"e": -0.5}],
        },
        "finish_reason": "stop",
    }


async def test_an_echo_with_both(client: httpx.AsyncClient) -> None:
    (choice,) = (await ask(client, "/v1/completions", echo=True, logprobs=0, prompt_logprobs=1)).json()["choices"]
    assert (choice["text"], choice["prompt_logprobs"]) == ("hex!", WITH_ONE)
    assert choice["logprobs"]["tokens"] == ["h", "e", "x", "!"]


async def test_an_echo_with_prompt_logprobs_alone(client: httpx.AsyncClient) -> None:
    (choice,) = (await ask(client, "/v1/completions", echo=True, prompt_logprobs=1)).json()["choices"]
    assert (choice["text"], choice["logprobs"], choice["prompt_logprobs"]) == ("hex!", None, WITH_ONE)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("fields", [{"prompt_logprobs": -1}, {"prompt_logprobs": 21}, {"prompt_logprobs": 0, "stream": True}])
async def test_wrong_ones_are_refused(client: httpx.AsyncClient, path: str, fields: dict[str, Any]) -> None:
    response = await ask(client, path, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "prompt_logprobs"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_an_engine_that_scores_no_prompt_says_so(client: httpx.AsyncClient, plane: ScoringPlane, path: str) -> None:
    plane.backend.engine.scores = False
    await plane.backend.load()
    response = await ask(client, path, prompt_logprobs=1)
    assert response.status_code == 400
    assert (response.json()["error"]["param"], response.json()["error"]["code"]) == ("prompt_logprobs", "unsupported_parameter")
