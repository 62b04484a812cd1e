"""Brings what the generating thread made to the event loop."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from jubako.backends.transformers.sequence import Chosen
from jubako.messages import TokenIds


class Step(Struct, gc=False):
    """What a step of the batch did for one answer.

    Attributes:
        tokens: Those that are new.
        chosen: Their log probabilities, where they were asked for.
        finished: Whether the answer is complete, and its place in the batch free.
        error: Why it failed, if it did.
    """

    tokens: TokenIds
    chosen: list[Chosen]
    cached_tokens: int = 0
    finished: bool = False
    error: str | None = None


class Stream:
    """One answer's steps, as the event loop sees them."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._arrived = asyncio.Event()
        self._over = asyncio.Event()

    def receive(self, step: Step) -> None:
        self._steps.append(step)
        self._arrived.set()
        if step.finished:
            self._over.set()

    def end(self) -> None:
        """The answer was cancelled, and its place in the batch is free."""
        self._over.set()
        self._arrived.set()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    async def over(self) -> None:
        await self._over.wait()

    async def steps(self) -> list[Step]:
        """All that have come since the last time, waiting for one; empty once the answer was cancelled."""
        while not self._steps and not self._over.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        steps, self._steps = self._steps, []
        return steps


class Mailbox:
    """Takes steps from the generating thread and gives them to the streams, with one wake-up of the event loop for each batch."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        """Those that are not over, by the ids of their requests. Only the event loop touches it."""
        self._loop = asyncio.get_running_loop()

    def post(self, steps: list[tuple[str, Step]]) -> None:
        self._loop.call_soon_threadsafe(self._deliver, steps)

    def post_ends(self, ids: list[str]) -> None:
        """The requests `ids` were cancelled."""
        self._loop.call_soon_threadsafe(self._end, ids)

    def _deliver(self, steps: list[tuple[str, Step]]) -> None:
        for request_id, step in steps:
            stream = self.streams.get(request_id)
            if stream is not None:
                stream.receive(step)

    def _end(self, ids: list[str]) -> None:
        for request_id in ids:
            stream = self.streams.get(request_id)
            if stream is not None:
                stream.end()
