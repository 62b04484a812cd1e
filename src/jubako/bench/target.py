"""What is loaded: a model behind a server."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from jubako.bench.connection import Address, Answer, Connection
from jubako.bench.prompts import Prompts
from jubako.bench.sample import Sample, read_sample, refusal
from jubako.errors import ConfigurationError, JubakoError

PROBE_TIMEOUT_S = 300.0
"""Longest wait for each of the first requests, during which a server may still load the model."""

_FEW, _MANY = 16, 64


class Asking(Struct, frozen=True, kw_only=True):
    """What is the same in all requests of a run.

    Attributes:
        prompt_tokens: Of each prompt, with what the chat template adds, as near as words allow.
        shared_prefix: How many of them are the same in every prompt.
        timeout_s: A request that takes longer is an error.
    """

    prompt_tokens: int = 64
    max_tokens: int = 64
    temperature: float = 0.0
    shared_prefix: int = 0
    timeout_s: float = 300.0
    seed: int = 0


class Target(Struct, frozen=True, kw_only=True):
    """One model of one server.

    Attributes:
        label: What it is called in tables.
        key: The API key, or "".
    """

    label: str
    model: str
    url: str
    key: str = ""

    @property
    def address(self) -> Address:
        return Address.of(self.url)

    def request(self, prompt: str, asking: Asking, fields: dict[str, object]) -> bytes:
        """The bytes of a chat request; `fields` are those that not every server knows."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": asking.max_tokens,
            "temperature": asking.temperature,
            "stream": True,
            **fields,
        }
        return self.address.request("POST", "/chat/completions", msgspec.json.encode(body), self._headers)

    async def first_model(self) -> str:
        """The first model of the server that chats, or that does not say what it does.

        Raises:
            JubakoError: there is none, or nobody answers.
        """
        answer = await self._once(self.address.request("GET", "/models", b"", self._headers))
        if answer.status != 200:
            raise JubakoError(f"{self.url} does not list its models: {refusal(answer.body)} Name one as MODEL@{self.url}.")
        try:
            models = msgspec.json.decode(answer.body, type=_Models).data
        except msgspec.MsgspecError:
            raise JubakoError(f"{self.url} answers, but not as OpenAI's API does.") from None
        able = [model for model in models if "chat" in model.tasks]
        ready = [model for model in able if model.state == "READY"]
        if not able:
            raise JubakoError(f"The server at {self.url} has no model that chats.")
        return (ready or able)[0].id

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    async def _once(self, request: bytes) -> Answer:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                connection = await Connection.open(self.address)
                try:
                    return await connection.ask(request)
                finally:
                    connection.close()
        except TimeoutError:
            raise JubakoError(f"{self.url} did not answer within {PROBE_TIMEOUT_S:g} seconds.") from None
        except ConnectionError as error:
            if not isinstance(error, ConnectionRefusedError):
                raise JubakoError(f"{self.url}: {error}.") from None
            raise ConfigurationError(
                f"No server answers at {self.url}. Start one with `jubako serve`, or name another with --url."
            ) from None
        except OSError as error:
            raise ConfigurationError(f"{self.url} can't be reached: {error.strerror or error}.") from None

    async def probe(self, asking: Asking) -> Probed:
        """Ask a few times, to learn what the server understands and how many words make a prompt of the wanted length.

        Raises:
            JubakoError: the model does not answer.
        """
        fields: dict[str, object] = {"ignore_eos": True, "stream_options": {"include_usage": True}}
        short = msgspec.structs.replace(asking, max_tokens=1)
        few = await self._probe(_FEW, short, fields)
        while few.error.startswith("status 4") and fields:
            # Not every server knows the first; few do not know the second.
            fields.pop(next(iter(fields)))
            few = await self._probe(_FEW, short, fields)
        if few.error:
            raise JubakoError(f"{self.label} does not answer: {few.error}")
        many = await self._probe(_MANY, short, fields)
        return Probed(target=self, fields=fields, words=_words(asking.prompt_tokens, few, many))

    async def _probe(self, words: int, asking: Asking, fields: dict[str, object]) -> Sample:
        request = self.request(Prompts(words, 0, asking.seed - words).make(), asking, fields)
        return read_sample(await self._once(request))


class Probed(Struct, frozen=True, kw_only=True):
    """A target that has answered.

    Attributes:
        fields: Those fields of a request, of the ones that not every server knows, that it takes.
        words: How many make a prompt of the wanted length.
    """

    target: Target
    fields: dict[str, object]
    words: int

    @property
    def runs_full_length(self) -> bool:
        """Whether every answer has all of its tokens, so that runs compare."""
        return "ignore_eos" in self.fields

    def prompts(self, asking: Asking, seed: int) -> Prompts:
        share = self.words / max(asking.prompt_tokens, 1)
        return Prompts(self.words, round(asking.shared_prefix * share), seed)

    def request(self, prompt: str, asking: Asking) -> bytes:
        return self.target.request(prompt, asking, self.fields)


def _words(tokens: int, few: Sample, many: Sample) -> int:
    if few.prompt_tokens is None or many.prompt_tokens is None or many.prompt_tokens <= few.prompt_tokens:
        return tokens
    for_each = (many.prompt_tokens - few.prompt_tokens) / (_MANY - _FEW)
    return max(1, round(_FEW + (tokens - few.prompt_tokens) / for_each))


class _Model(Struct, frozen=True):
    id: str
    tasks: tuple[str, ...] = ("chat",)
    state: str = "READY"


class _Models(Struct, frozen=True):
    data: list[_Model]
