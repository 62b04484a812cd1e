"""What chats and completions answer: log probabilities, usage, and the chunks of a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final, TypeVar

from jubako.messages import Delta, FinishReason, GenerateEvent, TokenLogprob, TopLogprob, Usage
from jubako.protos import jubako_v1 as pb

C = TypeVar("C", pb.ChatChunk, pb.CompletionChunk)

_FINISH_REASONS: Final[dict[FinishReason, pb.FinishReason]] = {
    "stop": pb.FINISH_REASON_STOP,
    "length": pb.FINISH_REASON_LENGTH,
    "tool_calls": pb.FINISH_REASON_TOOL_CALLS,
    "content_filter": pb.FINISH_REASON_CONTENT_FILTER,
}


def finish_reason(reason: FinishReason | None) -> pb.FinishReason:
    return _FINISH_REASONS[reason] if reason is not None else pb.FINISH_REASON_UNSPECIFIED


def usage(counted: Usage) -> pb.Usage:
    return pb.Usage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        cached_tokens=counted.cached_tokens,
        reasoning_tokens=counted.reasoning_tokens,
    )


def logprobs(tokens: Sequence[TokenLogprob]) -> list[pb.TokenLogprob]:
    return [
        pb.TokenLogprob(
            token=token.token,
            logprob=token.logprob,
            token_bytes=bytes(token.bytes),
            top_logprobs=[_top(top) for top in token.top_logprobs],
            token_id=_known(token.token_id),
        )
        for token in tokens
    ]


def _top(top: TopLogprob) -> pb.TopLogprob:
    return pb.TopLogprob(token=top.token, logprob=top.logprob, token_bytes=bytes(top.bytes), token_id=_known(top.token_id))


def _known(token_id: int) -> int | None:
    return token_id if token_id >= 0 else None


async def chunks(first: C, batches: AsyncGenerator[list[GenerateEvent]], add: Callable[[C, Delta], None]) -> AsyncGenerator[C]:
    """A chunk of each batch that says something.

    Args:
        first: The first chunk, which has what only that one says.
        add: Adds what an answer gained to a chunk.
    """
    chunk = first
    async with aclosing(batches):
        async for events in batches:
            for event in events:
                if isinstance(event, Delta):
                    add(chunk, event)
                elif isinstance(event, Usage):
                    chunk.usage.CopyFrom(usage(event))
            if chunk.deltas or chunk.HasField("usage"):
                yield chunk
                chunk = type(first)()
