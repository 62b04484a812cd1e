"""What one request cost: tokens and time."""

from __future__ import annotations

import time

from jubako.backends.text.engine import Piece
from jubako.messages import Timings, Usage


class Tally:
    """Counts one request's tokens and measures its times, from the moment it is made."""

    def __init__(self) -> None:
        self._received_at = time.monotonic()
        self._queue_s = 0.0
        self._first_token_s: float | None = None
        self._gaps_s: list[float] = []
        self._last_arrival: dict[int, float] = {}
        self._completion_tokens: dict[int, int] = {}
        self._reasoning_tokens: dict[int, int] = {}
        self._prompts: dict[int, tuple[int, int]] = {}

    def admitted(self) -> None:
        """The request has its first place."""
        self._queue_s = time.monotonic() - self._received_at

    def count(self, choice: int, prompt: int, piece: Piece) -> None:
        """`piece` came for `choice`, which answers `prompt`. A prompt counts once, however many choices answer it."""
        self._completion_tokens[choice] = piece.completion_tokens
        self._prompts.setdefault(prompt, (piece.prompt_tokens, piece.cached_tokens))
        if not piece.text:
            return
        now = time.monotonic()
        if self._first_token_s is None:
            self._first_token_s = now - self._received_at
        last = self._last_arrival.get(choice)
        if last is not None:
            self._gaps_s.append(now - last)
        self._last_arrival[choice] = now

    def reasoned(self, choice: int, tokens: int) -> None:
        """So many of `choice`'s tokens, in all, were reasoning."""
        self._reasoning_tokens[choice] = tokens

    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=sum(tokens for tokens, _ in self._prompts.values()),
            completion_tokens=sum(self._completion_tokens.values()),
            cached_tokens=sum(cached for _, cached in self._prompts.values()),
            reasoning_tokens=sum(self._reasoning_tokens.values()),
        )

    def timings(self) -> Timings:
        return Timings(queue_s=self._queue_s, first_token_s=self._first_token_s, gaps_s=self._gaps_s)
