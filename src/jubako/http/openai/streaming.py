"""Streams of events: what chat and completions share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from jubako.errors import JubakoError
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import CompletionUsage, encode, error_body, fingerprint, now
from jubako.identifiers import fresh_id
from jubako.messages import Delta, GenerateEvent, Usage, VersionStatus

DONE = b"data: [DONE]\n\n"


class Chunks(ABC):
    """Turns events into server-sent events. One for each answer: all its chunks share what they say of the answer.

    Args:
        asked: The model's name in the request.
        status: The version that answers.
        include_usage: Whether usage was asked for.
    """

    id_prefix: str
    object: str

    def __init__(self, asked: str, status: VersionStatus, include_usage: bool) -> None:
        about = {
            "id": f"{self.id_prefix}-{fresh_id()}",
            "object": self.object,
            "created": now(),
            "model": asked,
            "system_fingerprint": fingerprint(status),
        }
        # Encoded once: a chunk is this, its choice, and the tail.
        self._head = b"data: " + encode(about)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._include_usage = include_usage

    @abstractmethod
    def choices(self, delta: Delta) -> Iterator[bytes]:
        """The choices, each of one chunk, that `delta` makes, encoded."""

    def render(self, events: list[GenerateEvent]) -> bytes:
        head, tail = self._head, self._tail
        parts: list[bytes] = []
        for event in events:
            if isinstance(event, Delta):
                for choice in self.choices(event):
                    parts += (head, choice, tail)
            elif isinstance(event, Usage) and self._include_usage:
                parts += (head, b'],"usage":', encode(CompletionUsage.of(event)), b"}\n\n")
        return b"".join(parts)


async def stream(exchange: Exchange, batches: AsyncGenerator[list[GenerateEvent]], chunks: Chunks) -> None:
    """Send each batch in one write as it comes.

    The status goes out with the first batch, so that what fails before it is an ordinary error.
    """
    with exchange.validity, exchange.watch():
        async with aclosing(batches):
            async for batch in batches:
                if not exchange.started:
                    await exchange.start_events()
                if data := chunks.render(batch):
                    await exchange.write(data)
        if not exchange.started:
            await exchange.start_events()
        await exchange.write(DONE)
    await exchange.finish()


def error_event(error: JubakoError) -> bytes:
    """The event that ends a stream which can't go on; OpenAI's clients raise APIError on it."""
    return b"data: " + error_body(error) + b"\n\n"
