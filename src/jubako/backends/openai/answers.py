"""OpenAI's answers, read into events."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

import msgspec

from jubako.backends.openai.wire import (
    ChatAnswer,
    ChatChoice,
    CompletionAnswer,
    CompletionChoice,
    CompletionLogprobs,
    PromptTable,
    WireCall,
    WireMessage,
    WirePromptToken,
    WireToken,
    WireUsage,
)
from jubako.backends.upstream.failure import Complaint, complaint_of, is_too_long
from jubako.backends.upstream.reader import AnswerReader
from jubako.backends.upstream.secret import Redaction
from jubako.errors import JubakoError, Overloaded, PromptTooLong, UpstreamFailed
from jubako.identifiers import fresh_id
from jubako.messages import Delta, FinishReason, TokenLogprob, ToolCallDelta, TopLogprob, Usage

_DONE = b"[DONE]"

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
}
"""Of others, such as TGI's ``eos_token``, each means that the model ended by itself."""

_BROKEN_OFF = {"network_error", "insufficient_system_resource", "abort", "error"}
"""What some providers say where the answer is not complete and nothing will follow."""

_LEAST = -9999.0
"""The log probability of what is impossible, which JSON can't say, as OpenAI and vLLM write it."""

A = TypeVar("A", ChatAnswer, CompletionAnswer)
C = TypeVar("C", ChatChoice, CompletionChoice)


class _OpenAIReader(AnswerReader, Generic[A, C]):
    """What chats and completions share.

    Args:
        choices: As many as were asked for: a stream is complete when each has its finish reason.
    """

    decoder: msgspec.json.Decoder[Any]

    def __init__(self, name: str, choices: int, redact: Redaction) -> None:
        super().__init__(name)
        self._choices = choices
        self._redact = redact
        self._finished: set[int] = set()

    def event(self, data: bytes) -> list[Delta]:
        if data == _DONE:
            self.done = True
            return []
        return self._deltas(self._decode(data))

    def end(self) -> list[Delta]:
        missing = [index for index in range(self._choices) if index not in self._finished]
        if missing and not self.done:
            raise self._broke_off()
        return [Delta(index, finish_reason="stop") for index in missing]

    def whole(self, body: bytes) -> list[Delta]:
        answer = self._decode(body)
        deltas = self._deltas(answer)
        found = {delta.index for delta in deltas if delta.finish_reason is not None}
        if len(found) < self._choices:
            deltas += [Delta(index, finish_reason="stop") for index in range(self._choices) if index not in found]
        if not answer.choices:
            raise self._nonsense("an answer without choices")
        return deltas

    def delta(self, index: int, choice: C, reason: FinishReason | None) -> Delta | None:
        """What a choice of a chunk adds; None for nothing."""
        raise NotImplementedError

    def _decode(self, data: bytes) -> A:
        try:
            answer: A = self.decoder.decode(data)
        except msgspec.DecodeError as error:
            why = "JSON of another kind" if isinstance(error, msgspec.ValidationError) else "no JSON"
            raise self._nonsense(why) from None
        if answer.error is not None:
            raise _stream_error(complaint_of({"error": answer.error}, self._redact), self.name)
        if answer.object == "error":  # as vLLM wrote errors once
            raise _stream_error(complaint_of(msgspec.json.decode(data), self._redact), self.name)
        return answer

    def _deltas(self, answer: A) -> list[Delta]:
        if answer.usage is not None:
            self.usage = usage_of(answer.usage)
        deltas: list[Delta] = []
        for choice in answer.choices or ():
            if isinstance(choice, ChatChoice) and choice.usage is not None:
                self.usage = usage_of(choice.usage)
            index = choice.index or 0
            if index in self._finished:
                continue
            reason = None
            if choice.finish_reason:
                if choice.finish_reason in _BROKEN_OFF:
                    raise UpstreamFailed(f"The upstream {self.name} gave up the answer: {choice.finish_reason}.")
                reason = _REASONS.get(choice.finish_reason, "stop")
                self._finished.add(index)
            if (delta := self.delta(index, choice, reason)) is not None:  # type: ignore[arg-type]  # of the same answer
                deltas.append(delta)
        return deltas


class ChatReader(_OpenAIReader[ChatAnswer, ChatChoice]):
    """Reads a chat."""

    decoder = msgspec.json.Decoder(ChatAnswer)

    def __init__(self, name: str, choices: int, redact: Redaction) -> None:
        super().__init__(name, choices, redact)
        self._calls: dict[int, list[str]] = {}

    def whole(self, body: bytes) -> list[Delta]:
        deltas = super().whole(body)
        if b'"prompt_logprobs"' in body and (table := self._decode(body).prompt_logprobs):
            # The prompt is that of all choices; ours stands on the first.
            deltas[0] = msgspec.structs.replace(deltas[0], prompt_logprobs=_prompt(table))
        return deltas

    def delta(self, index: int, choice: ChatChoice, reason: FinishReason | None) -> Delta | None:
        said = choice.delta or choice.message or WireMessage()
        text = said.content or said.refusal or ""
        reasoning = said.reasoning_content or said.reasoning or ""
        calls = [self._call(index, place, call) for place, call in enumerate(said.tool_calls)] if said.tool_calls else []
        logprobs = choice.logprobs.content if choice.logprobs is not None else None
        if not (text or reasoning or calls or logprobs or reason):
            return None
        if reason == "stop" and index in self._calls:
            reason = "tool_calls"  # as some providers end a call
        return Delta(index, text, reasoning, calls, [_token(token) for token in logprobs or ()], reason)

    def _call(self, choice: int, place: int, call: WireCall) -> ToolCallDelta:
        """A piece of a call. Its id and name come once, first, however often they are repeated; an id that is missing is made."""
        begun = self._calls.setdefault(choice, [])
        function = call.function
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        number = call.index
        if number is None:
            # Without a number, a new id or, at the first, its place says which call it is.
            number = begun.index(call.id) if call.id in begun else len(begun) if call.id or not begun else len(begun) - 1
            number = max(number, place) if not call.id else number
        if number < len(begun):
            return ToolCallDelta(number, arguments=arguments)
        begun += [call.id or f"call_{fresh_id()}"] * (number + 1 - len(begun))
        return ToolCallDelta(number, begun[number], function.name, arguments)


class CompletionReader(_OpenAIReader[CompletionAnswer, CompletionChoice]):
    """Reads a completion."""

    decoder = msgspec.json.Decoder(CompletionAnswer)

    def delta(self, index: int, choice: CompletionChoice, reason: FinishReason | None) -> Delta | None:
        logprobs = _tokens(choice.logprobs) if choice.logprobs is not None else []
        scored = _prompt(choice.prompt_logprobs) if choice.prompt_logprobs else []
        if not (choice.text or logprobs or reason or scored):
            return None
        return Delta(index, choice.text or "", logprobs=logprobs, finish_reason=reason, prompt_logprobs=scored)


def usage_of(wire: WireUsage | None) -> Usage:
    if wire is None:
        return Usage()
    prompt, completion = wire.prompt_tokens, wire.completion_tokens or 0
    details, more = wire.prompt_tokens_details, wire.completion_tokens_details
    cached = (details.cached_tokens if details is not None else None) or wire.cached_tokens or wire.prompt_cache_hit_tokens
    return Usage(
        prompt_tokens=max(0, (wire.total_tokens or 0) - completion) if prompt is None else prompt,
        completion_tokens=completion,
        cached_tokens=cached or 0,
        reasoning_tokens=(more.reasoning_tokens if more is not None else None) or 0,
    )


def _stream_error(said: Complaint, name: str) -> JubakoError:
    """An error that comes where an answer belongs; there is no status any more to say whose fault it is."""
    if is_too_long(said):
        return PromptTooLong(said.message, param=said.param)
    if "rate_limit" in f"{said.type} {said.code}" or said.code == "429":
        return Overloaded(said.message, code="upstream_rate_limited", retry_after_s=1)
    return UpstreamFailed(f"The upstream {name} failed while it answered: {said.message or 'it does not say why'}")


def _token(token: WireToken) -> TokenLogprob:
    return TokenLogprob(
        token.token,
        _logprob(token.logprob),
        list(token.token.encode()) if token.bytes is None else token.bytes,
        [
            TopLogprob(top.token, _logprob(top.logprob), list(top.token.encode()) if top.bytes is None else top.bytes)
            for top in token.top_logprobs or ()
        ],
        -1 if token.token_id is None else token.token_id,
    )


def _tokens(logprobs: CompletionLogprobs) -> list[TokenLogprob]:
    """The columns of a completion's log probabilities as rows. The first token of an echoed prompt has none: NaN."""
    tokens = logprobs.tokens or []
    values = logprobs.token_logprobs or []
    tops = logprobs.top_logprobs or []
    rows = []
    for place, token in enumerate(tokens):
        value = values[place] if place < len(values) else None
        top = (tops[place] if place < len(tops) else None) or {}
        rows.append(
            TokenLogprob(
                token,
                math.nan if value is None else value,
                list(token.encode()),
                [TopLogprob(each, _logprob(likely), list(each.encode())) for each, likely in top.items()],
            )
        )
    return rows


def _prompt(table: PromptTable) -> list[TokenLogprob]:
    return [_prompt_token(place) for place in table]


def _prompt_token(place: dict[str, WirePromptToken] | None) -> TokenLogprob:
    if not place:
        return TokenLogprob("", math.nan, [], [])
    ranked = sorted(
        ((token.rank, number, token) for number, token in place.items() if token.rank is not None and token.rank <= len(place)),
        key=lambda each: each[0],
    )
    tops = [
        TopLogprob(_text(token), _logprob(token.logprob), list(_text(token).encode()), int(number)) for _, number, token in ranked
    ]
    number, own = next(iter(place.items()))
    return TokenLogprob(_text(own), _logprob(own.logprob), list(_text(own).encode()), tops, int(number))


def _text(token: WirePromptToken) -> str:
    return token.decoded_token or ""


def _logprob(value: float | None) -> float:
    return _LEAST if value is None else value
