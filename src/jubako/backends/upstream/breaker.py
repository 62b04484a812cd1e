"""A circuit breaker: an upstream that fails again and again is left alone for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal

log = logging.getLogger(__name__)

CircuitState = Literal["closed", "half_open", "open"]


class CircuitBreaker:
    """Closed, it lets all through. After `failures` in a row it opens. After `open_s` one request may go through as a trial; it
    closes the circuit or opens it again.

    Whoever is let through by :meth:`enter` says how it went, once: :meth:`succeeded`, :meth:`failed` or :meth:`gave_up`.
    """

    def __init__(self, name: str, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._most_failures = failures
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._on_trial = False

    @property
    def state(self) -> CircuitState:
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._on_trial or self.closed_in_s() <= 0 else "open"

    def closed_in_s(self) -> float:
        """Seconds until it lets something through: 0 where it does now."""
        if self._opened_at is None:
            return 0.0
        wait = max(0.0, self._opened_at + self._open_s - self._clock())
        return wait or (self._open_s if self._on_trial else 0.0)

    def lets_through(self) -> bool:
        return self._opened_at is None or self.closed_in_s() <= 0

    def enter(self) -> None:
        """Something is sent; only where :meth:`lets_through`."""
        if self._opened_at is not None:
            self._on_trial = True

    def succeeded(self) -> None:
        """The upstream answered, if only that the request is wrong."""
        if self._opened_at is not None:
            log.info("upstream %s answers again: its circuit is closed", self._name)
        self._failures = 0
        self._opened_at = None
        self._on_trial = False

    def failed(self) -> None:
        """The upstream did not answer, or not as it should."""
        self._failures += 1
        was_open = self._opened_at is not None
        if (was_open and self._on_trial) or (not was_open and self._failures >= self._most_failures):
            log.warning(
                "upstream %s failed %d times in a row: its circuit is open for %g s", self._name, self._failures, self._open_s
            )
            self._opened_at = self._clock()
            self._on_trial = False

    def gave_up(self) -> None:
        """Nobody waited for the outcome."""
        self._on_trial = False
