"""One request's sequences on their way through the batcher, and their answers in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from jubako.backends.encoder.engine import TokenSequence, Vector
from jubako.batching.batcher import Batcher
from jubako.batching.queue import patience
from jubako.batching.queued import Queued


@dataclass(frozen=True, slots=True)
class Item:
    """A sequence in the batcher; `arrival` is in seconds of :func:`time.perf_counter`."""

    sequence: TokenSequence
    arrival: float = field(default_factory=time.perf_counter)


EncoderBatcher: TypeAlias = Batcher[Item, Vector]


class Gathering:
    """Puts `sequences` into `batcher`, at most `window` of them at a time, so that very many leave room for other requests.

    Args:
        length_of: The length to which a sequence is padded; 0 if it is not.
        deadline: When nobody waits for the answers any more, a time of the event loop.
    """

    def __init__(
        self,
        sequences: Sequence[TokenSequence],
        batcher: EncoderBatcher,
        length_of: Callable[[TokenSequence], int],
        window: int,
        deadline: float,
    ) -> None:
        self._sequences = sequences
        self._batcher = batcher
        self._length_of = length_of
        self._window = window
        self._deadline = deadline
        self._inside: dict[int, Queued[Item, Vector]] = {}
        self._answers: dict[int, Vector] = {}
        self._next = 0
        self._all_answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answers(self) -> list[Vector]:
        """The answers in the order of the sequences, of which there is at least one.

        Cancelling the task takes back what still waits, and so does the first error.

        Raises:
            JubakoError: the batcher refused a sequence, or the engine failed.
        """
        try:
            while self._next < min(self._window, len(self._sequences)):
                self._submit_next()
            await self._all_answered
        finally:
            # Where answers keep the order of the requests, taking one back may bring the answer to another.
            self._all_answered.cancel()
            for queued in [*self._inside.values()]:
                self._batcher.cancel(queued)
        return [self._answers[index] for index in range(len(self._sequences))]

    def _submit_next(self) -> None:
        index, sequence = self._next, self._sequences[self._next]
        queued: Queued[Item, Vector] = Queued(
            Item(sequence), partial(self._take, index), work=float(len(sequence)), length=self._length_of(sequence)
        )
        self._batcher.submit(queued, timeout_s=patience(self._deadline, asyncio.get_running_loop().time()))
        self._inside[index] = queued
        self._next += 1

    def _take(self, index: int, answer: Vector | Exception) -> None:
        del self._inside[index]
        if self._all_answered.done():
            return
        if isinstance(answer, Exception):
            self._all_answered.set_exception(answer)
            return
        self._answers[index] = answer
        try:
            if self._next < len(self._sequences):
                self._submit_next()
            elif not self._inside:
                self._all_answered.set_result(None)
        except Exception as error:  # the queue is full, or closed
            self._all_answered.set_exception(error)
