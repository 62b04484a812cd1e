"""Answers in the order of the requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from jubako.batching.queued import Queued

P = TypeVar("P")
R = TypeVar("R")


class InOrder(Generic[P, R]):
    """Keeps an answer back until everyone who came earlier has been answered or has left.

    Args:
        release: Gives an answer to its request.
    """

    def __init__(self, release: Callable[[Queued[P, R], R | Exception], None]) -> None:
        self._release = release
        self._line: deque[Queued[P, R]] = deque()
        self._answers: dict[Queued[P, R], R | Exception] = {}

    def arrived(self, queued: Queued[P, R]) -> None:
        self._line.append(queued)

    def answered(self, queued: Queued[P, R], answer: R | Exception) -> None:
        self._answers[queued] = answer
        self._advance()

    def left(self, queued: Queued[P, R]) -> None:
        """It was cancelled; its state says so already."""
        self._answers.pop(queued, None)
        self._advance()

    def _advance(self) -> None:
        line, answers = self._line, self._answers
        while line:
            first = line[0]
            if first.state == "cancelled":
                line.popleft()
            elif first in answers:
                line.popleft()
                self._release(first, answers.pop(first))
            else:
                return
