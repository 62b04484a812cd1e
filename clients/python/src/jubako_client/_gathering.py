"""All pieces of a streamed answer as the whole answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from jubako_client.conversation import ToolCall
from jubako_client.text import (
    ChatAnswer,
    ChatChoice,
    ChatDelta,
    CompletionAnswer,
    CompletionChoice,
    CompletionDelta,
    FinishReason,
    ToolCallDelta,
    Usage,
)

D = TypeVar("D")


@dataclass(frozen=True)
class Chunk(Generic[D]):
    """What came at once. `id`, `model` and `version` are said in the first one only, `usage` in the last."""

    id: str
    model: str
    version: int
    deltas: Sequence[D]
    usage: Usage | None


def whole_chat(chunks: Sequence[Chunk[ChatDelta]]) -> ChatAnswer:
    """The answer that the chunks of a chat make."""
    deltas = [delta for chunk in chunks for delta in chunk.deltas]
    return ChatAnswer(
        *_head(chunks),
        choices=[_chat_choice(index, deltas) for index in _indices(deltas)],
        usage=_usage(chunks),
        prompt_logprobs=[token for delta in deltas for token in delta.prompt_logprobs],
    )


def whole_completion(chunks: Sequence[Chunk[CompletionDelta]]) -> CompletionAnswer:
    """The answer that the chunks of a completion make."""
    deltas = [delta for chunk in chunks for delta in chunk.deltas]
    choices = [_completion_choice(index, deltas) for index in _indices(deltas)]
    return CompletionAnswer(*_head(chunks), choices=choices, usage=_usage(chunks))


def _chat_choice(index: int, deltas: Iterable[ChatDelta]) -> ChatChoice:
    mine = [delta for delta in deltas if delta.index == index]
    return ChatChoice(
        index=index,
        text="".join(delta.text for delta in mine),
        reasoning="".join(delta.reasoning for delta in mine),
        tool_calls=_calls([piece for delta in mine for piece in delta.tool_calls]),
        finish_reason=_last_reason(mine),
        logprobs=[token for delta in mine for token in delta.logprobs],
    )


def _completion_choice(index: int, deltas: Iterable[CompletionDelta]) -> CompletionChoice:
    mine = [delta for delta in deltas if delta.index == index]
    return CompletionChoice(
        index=index,
        text="".join(delta.text for delta in mine),
        finish_reason=_last_reason(mine),
        logprobs=[token for delta in mine for token in delta.logprobs],
        prompt_logprobs=[token for delta in mine for token in delta.prompt_logprobs],
    )


def _head(chunks: Sequence[Chunk[D]]) -> tuple[str, str, int]:
    return (chunks[0].id, chunks[0].model, chunks[0].version) if chunks else ("", "", 0)


def _usage(chunks: Iterable[Chunk[D]]) -> Usage:
    return next((chunk.usage for chunk in chunks if chunk.usage is not None), Usage())


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
