"""The times of one request to an upstream."""

from __future__ import annotations

import time

from jubako.messages import Timings


class Tally:
    """Measures from the moment it is made."""

    def __init__(self) -> None:
        self._received_at = time.monotonic()
        self._queue_s = 0.0
        self._first_token_s: float | None = None
        self._gaps_s: list[float] = []
        self._last_arrival: dict[int, float] = {}

    def admitted(self) -> None:
        """The request may be sent."""
        self._queue_s = time.monotonic() - self._received_at

    def arrived(self, choice: int) -> None:
        """Text, reasoning or a part of a call came for `choice`."""
        now = time.monotonic()
        if self._first_token_s is None:
            self._first_token_s = now - self._received_at
        last = self._last_arrival.get(choice)
        if last is not None:
            self._gaps_s.append(now - last)
        self._last_arrival[choice] = now

    def timings(self) -> Timings:
        return Timings(queue_s=self._queue_s, first_token_s=self._first_token_s, gaps_s=self._gaps_s)
