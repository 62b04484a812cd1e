"""POST /v1/completions."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import (
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    CompletionUsage,
    encode,
    fingerprint,
    now,
    prompt_table,
)
from jubako.http.openai.models import serving
from jubako.http.openai.streaming import Chunks, stream
from jubako.http.openai.wire import COMPLETION_UNSUPPORTED, CompletionBody
from jubako.identifiers import fresh_id
from jubako.messages import Choice, Delta, GenerateResult, VersionStatus

_DECODER = BodyDecoder(CompletionBody, COMPLETION_UNSUPPORTED)


async def create(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.json_body())
    status = serving(plane, body.model, "completion", exchange)
    include_usage = body.include_usage
    request = body.request()
    if body.stream:
        await stream(exchange, plane.stream(request, exchange.caller), CompletionChunks(body.model, status, include_usage))
        return
    with exchange.watch():
        result = await plane.generate(request, exchange.caller)
    await exchange.answer(encode(_completion(result, body, status)))


def _completion(result: GenerateResult, body: CompletionBody, status: VersionStatus) -> Completion:
    return Completion(
        f"cmpl-{fresh_id()}",
        "text_completion",
        now(),
        body.model,
        fingerprint(status),
        [_choice(choice, body) for choice in result.choices],
        CompletionUsage.of(result.usage),
    )


def _choice(choice: Choice, body: CompletionBody) -> CompletionChoice:
    table = CompletionLogprobs.of(choice.logprobs, len(choice.text)) if body.logprobs is not None else None
    scored = prompt_table(choice.prompt_logprobs) if body.prompt_logprobs is not None else UNSET
    return CompletionChoice(choice.index, choice.text, table, choice.finish_reason, scored)


class CompletionChunks(Chunks):
    id_prefix = "cmpl"
    object = "text_completion"

    def __init__(self, asked: str, status: VersionStatus, include_usage: bool) -> None:
        super().__init__(asked, status, include_usage)
        self._lengths: dict[int, int] = {}

    def choices(self, delta: Delta) -> Iterator[bytes]:
        index, length = delta.index, len(delta.text)
        start = self._lengths.get(index, 0)
        self._lengths[index] = start + length
        logprobs = CompletionLogprobs.of(delta.logprobs, length, start) if delta.logprobs else None
        yield encode(CompletionChoice(index, delta.text, logprobs, delta.finish_reason))
