"""Anthropic's answers, read into events (https://docs.anthropic.com/en/docs/build-with-claude/streaming)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from jubako.backends.upstream.failure import complaint_of, is_too_long
from jubako.backends.upstream.reader import AnswerReader
from jubako.backends.upstream.secret import Redaction
from jubako.errors import InvalidRequest, JubakoError, Overloaded, PromptTooLong, UpstreamFailed, UpstreamUnavailable
from jubako.messages import Delta, FinishReason, ToolCallDelta, Usage

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Usage(Struct, frozen=True):
    """`input_tokens` are those that the cache neither gave nor took."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Block(Struct, frozen=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class _Delta(Struct, frozen=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Message(Struct, frozen=True):
    usage: _Usage | None = None


class _Event(Struct, frozen=True):
    """An event of a stream, or a whole message: their fields differ, and `type` tells."""

    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None
    content: list[_Block] | None = None
    stop_reason: str | None = None


_decoder = msgspec.json.Decoder(_Event)


class MessageReader(AnswerReader):
    """Reads a message. Its blocks of text, of thinking and of tool calls are numbered together; calls are numbered anew."""

    def __init__(self, name: str, redact: Redaction) -> None:
        super().__init__(name)
        self._redact = redact
        self._calls: dict[int, int] = {}
        self._silent: set[int] = set()
        self._finished = False

    def event(self, data: bytes) -> list[Delta]:
        event = self._decode(data)
        match event.type:
            case "message_start":
                self._count(event.message.usage if event.message is not None else None)
            case "content_block_start":
                return self._start(event.index, event.content_block or _Block())
            case "content_block_delta":
                return self._add(event.index, event.delta or _Delta())
            case "content_block_stop":
                return self._stop(event.index)
            case "message_delta":
                self._count(event.usage)
                if event.delta is not None and event.delta.stop_reason and not self._finished:
                    self._finished = True
                    return [Delta(0, finish_reason=_REASONS.get(event.delta.stop_reason, "stop"))]
            case "message_stop":
                self.done = True
        # A ping, or a kind of event that is newer than this code: the API asks clients to pass over those.
        return []

    def end(self) -> list[Delta]:
        if not self._finished and not self.done:
            raise self._broke_off()
        return [] if self._finished else [Delta(0, finish_reason="stop")]

    def whole(self, body: bytes) -> list[Delta]:
        message = self._decode(body)
        if message.type != "message" or message.content is None:
            raise self._nonsense("an answer that is no message")
        self._count(message.usage)
        calls = [
            ToolCallDelta(number, block.id, block.name, msgspec.json.encode(block.input or {}).decode())
            for number, block in enumerate(block for block in message.content if block.type == "tool_use")
        ]
        return [
            Delta(
                0,
                "".join(block.text or "" for block in message.content if block.type == "text"),
                "".join(block.thinking or "" for block in message.content if block.type == "thinking"),
                calls,
                finish_reason=_REASONS.get(message.stop_reason or "", "stop"),
            )
        ]

    def _decode(self, data: bytes) -> _Event:
        try:
            event = _decoder.decode(data)
        except msgspec.ValidationError:
            raise self._nonsense("JSON of another kind") from None
        except msgspec.DecodeError:
            raise self._nonsense("no JSON") from None
        if event.type == "error":
            raise self._error(event.error)
        return event

    def _start(self, index: int, block: _Block) -> list[Delta]:
        if block.type == "tool_use":
            number = self._calls[index] = len(self._calls)
            self._silent.add(index)
            return [Delta(0, tool_calls=[ToolCallDelta(number, block.id, block.name)])]
        return self._said(block.text, block.thinking)

    def _add(self, index: int, delta: _Delta) -> list[Delta]:
        if delta.partial_json and index in self._calls:
            self._silent.discard(index)
            return [Delta(0, tool_calls=[ToolCallDelta(self._calls[index], arguments=delta.partial_json)])]
        return self._said(delta.text, delta.thinking)

    def _stop(self, index: int) -> list[Delta]:
        if index not in self._silent:
            return []
        # A call without arguments; ours are always JSON text.
        self._silent.discard(index)
        return [Delta(0, tool_calls=[ToolCallDelta(self._calls[index], arguments="{}")])]

    def _said(self, text: str | None, thinking: str | None) -> list[Delta]:
        return [Delta(0, text or "", thinking or "")] if text or thinking else []

    def _count(self, usage: _Usage | None) -> None:
        """What was told later goes before what was told earlier; what is left out stays."""
        if usage is None:
            return
        prompt, cached = self.usage.prompt_tokens, self.usage.cached_tokens
        if usage.input_tokens is not None:
            cached = usage.cache_read_input_tokens or 0
            prompt = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
        output = self.usage.completion_tokens if usage.output_tokens is None else usage.output_tokens
        self.usage = Usage(prompt_tokens=prompt, completion_tokens=output, cached_tokens=cached)

    def _error(self, error: Any) -> JubakoError:
        said = complaint_of({"error": error}, self._redact)
        message = said.message or "it does not say why"
        match said.type:
            case _ if is_too_long(said):
                return PromptTooLong(message)
            case "invalid_request_error":
                return InvalidRequest(message)
            case "rate_limit_error":
                return Overloaded(message, code="upstream_rate_limited", retry_after_s=1)
            case "overloaded_error":
                return UpstreamUnavailable(f"The upstream {self.name} is overloaded: {message}", retry_after_s=1)
        return UpstreamFailed(f"The upstream {self.name} failed while it answered: {message}")
