"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import (
    AssistantMessage,
    CalledTool,
    CalledToolDelta,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChoiceLogprobs,
    CompletionUsage,
    FunctionDelta,
    MessageDelta,
    encode,
    fingerprint,
    now,
    prompt_table,
)
from jubako.http.openai.models import serving
from jubako.http.openai.streaming import Chunks, stream
from jubako.http.openai.wire import CHAT_UNSUPPORTED, ChatCompletionRequest
from jubako.identifiers import fresh_id
from jubako.messages import Choice, Delta, GenerateResult, ToolCallDelta, VersionStatus

_DECODER = BodyDecoder(ChatCompletionRequest, CHAT_UNSUPPORTED)


async def create(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.json_body())
    status = serving(plane, body.model, "chat", exchange)
    include_usage = body.include_usage
    request = body.request()
    if body.stream:
        await stream(exchange, plane.stream(request, exchange.caller), ChatChunks(body.model, status, include_usage))
        return
    with exchange.watch():
        result = await plane.generate(request, exchange.caller)
    answer = _completion(result, body.model, status, body.logprobs is True)
    if body.prompt_logprobs is not None:
        scored = next((choice.prompt_logprobs for choice in result.choices), [])
        answer = msgspec.structs.replace(answer, prompt_logprobs=prompt_table(scored))
    await exchange.answer(encode(answer))


def _completion(result: GenerateResult, asked: str, status: VersionStatus, logprobs: bool) -> ChatCompletion:
    return ChatCompletion(
        f"chatcmpl-{fresh_id()}",
        now(),
        asked,
        fingerprint(status),
        [_choice(choice, logprobs) for choice in result.choices],
        CompletionUsage.of(result.usage),
    )


def _choice(choice: Choice, logprobs: bool) -> ChatChoice:
    message = AssistantMessage(
        content=None if choice.tool_calls and not choice.text else choice.text,
        tool_calls=[CalledTool.of(call) for call in choice.tool_calls] or msgspec.UNSET,
        reasoning_content=choice.reasoning or msgspec.UNSET,
    )
    return ChatChoice(choice.index, message, ChoiceLogprobs(choice.logprobs) if logprobs else None, choice.finish_reason)


class ChatChunks(Chunks):
    id_prefix = "chatcmpl"
    object = "chat.completion.chunk"

    def __init__(self, asked: str, status: VersionStatus, include_usage: bool) -> None:
        super().__init__(asked, status, include_usage)
        self._begun: set[int] = set()

    def choices(self, delta: Delta) -> Iterator[bytes]:
        """The role comes first and the finish reason last, each in a chunk of its own."""
        index = delta.index
        if index not in self._begun:
            self._begun.add(index)
            yield encode(ChatChunkChoice(index, MessageDelta("assistant", "")))
        if delta.text or delta.reasoning or delta.tool_calls or delta.logprobs:
            message = MessageDelta(
                content=delta.text or None,
                reasoning_content=delta.reasoning or None,
                tool_calls=[_call_delta(call) for call in delta.tool_calls] or None,
            )
            yield encode(ChatChunkChoice(index, message, ChoiceLogprobs(delta.logprobs) if delta.logprobs else None))
        if delta.finish_reason is not None:
            yield encode(ChatChunkChoice(index, MessageDelta(), finish_reason=delta.finish_reason))


def _call_delta(call: ToolCallDelta) -> CalledToolDelta:
    return CalledToolDelta(
        call.index, FunctionDelta(call.arguments, call.name), call.id, "function" if call.id is not None else None
    )
