"""A stream's chunks as deltas, and all of them as the whole answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from jubako_client._protos import jubako_v1 as pb
from jubako_client.conversation import ToolCall
from jubako_client.text import (
    ChatAnswer,
    ChatChoice,
    ChatDelta,
    CompletionAnswer,
    CompletionChoice,
    CompletionDelta,
    FinishReason,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    finish_reason,
    logprobs,
    usage,
)

C_contra = TypeVar("C_contra", contravariant=True)
D_co = TypeVar("D_co", covariant=True)
A_co = TypeVar("A_co", covariant=True)


class Gathering(Protocol[C_contra, D_co, A_co]):
    """Takes the chunks C of a stream as they come, gives the deltas D in them, and knows the answer A that they make."""

    def add(self, chunk: C_contra, /) -> Sequence[D_co]: ...

    def answer(self) -> A_co: ...


class ChatGathering:
    """The chunks of a chat."""

    def __init__(self) -> None:
        self._head = _Head()
        self._deltas: list[ChatDelta] = []

    def add(self, chunk: pb.ChatChunk) -> Sequence[ChatDelta]:
        self._head.add(chunk)
        deltas = [_chat_delta(delta) for delta in chunk.deltas]
        self._deltas += deltas
        return deltas

    def answer(self) -> ChatAnswer:
        head = self._head
        prompt = [token for delta in self._deltas for token in delta.prompt_logprobs]
        choices = [self._choice(index) for index in _indices(self._deltas)]
        return ChatAnswer(head.id, head.model, head.version, choices, head.usage, prompt)

    def _choice(self, index: int) -> ChatChoice:
        mine = [delta for delta in self._deltas if delta.index == index]
        return ChatChoice(
            index=index,
            text="".join(delta.text for delta in mine),
            reasoning="".join(delta.reasoning for delta in mine),
            tool_calls=_calls([piece for delta in mine for piece in delta.tool_calls]),
            finish_reason=_last_reason(mine),
            logprobs=[token for delta in mine for token in delta.logprobs],
        )


class CompletionGathering:
    """The chunks of a completion."""

    def __init__(self) -> None:
        self._head = _Head()
        self._deltas: list[CompletionDelta] = []

    def add(self, chunk: pb.CompletionChunk) -> Sequence[CompletionDelta]:
        self._head.add(chunk)
        deltas = [_completion_delta(delta) for delta in chunk.deltas]
        self._deltas += deltas
        return deltas

    def answer(self) -> CompletionAnswer:
        head = self._head
        choices = [self._choice(index) for index in _indices(self._deltas)]
        return CompletionAnswer(head.id, head.model, head.version, choices, head.usage)

    def _choice(self, index: int) -> CompletionChoice:
        mine = [delta for delta in self._deltas if delta.index == index]
        tokens: list[TokenLogprob] = [token for delta in mine for token in delta.logprobs]
        prompt = [token for delta in mine for token in delta.prompt_logprobs]
        return CompletionChoice(index, "".join(delta.text for delta in mine), _last_reason(mine), tokens, prompt)


class _Head:
    """What is said once in a stream."""

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.version = 0
        self.usage = Usage()

    def add(self, chunk: pb.ChatChunk | pb.CompletionChunk) -> None:
        self.id = self.id or chunk.id
        self.model = self.model or chunk.model
        self.version = self.version or chunk.version
        if chunk.HasField("usage"):
            self.usage = usage(chunk.usage)


def _chat_delta(given: pb.ChatDelta) -> ChatDelta:
    return ChatDelta(
        index=given.index,
        text=given.text,
        reasoning=given.reasoning,
        tool_calls=[ToolCallDelta(call.index, call.id, call.name, call.arguments) for call in given.tool_calls],
        logprobs=logprobs(given.logprobs),
        finish_reason=finish_reason(given.finish_reason),
        prompt_logprobs=logprobs(given.prompt_logprobs),
    )


def _completion_delta(given: pb.CompletionDelta) -> CompletionDelta:
    return CompletionDelta(
        index=given.index,
        text=given.text,
        logprobs=logprobs(given.logprobs),
        finish_reason=finish_reason(given.finish_reason),
        prompt_logprobs=logprobs(given.prompt_logprobs),
    )


def _indices(deltas: Iterable[ChatDelta | CompletionDelta]) -> list[int]:
    """The answers that have begun; the first always, so that a stream left at once has an empty one."""
    return sorted({0, *(delta.index for delta in deltas)})


def _last_reason(deltas: Sequence[ChatDelta | CompletionDelta]) -> FinishReason | None:
    return next((delta.finish_reason for delta in reversed(deltas) if delta.finish_reason is not None), None)


def _calls(pieces: Sequence[ToolCallDelta]) -> list[ToolCall]:
    places = sorted({piece.index for piece in pieces})
    return [_call([piece for piece in pieces if piece.index == place]) for place in places]


def _call(pieces: Sequence[ToolCallDelta]) -> ToolCall:
    joined = ["".join(parts) for parts in zip(*((piece.id, piece.name, piece.arguments) for piece in pieces), strict=True)]
    return ToolCall(*joined)
