"""When an instance that died is started again, and when no more."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """How patiently failures are met.

    Attributes:
        first_delay_s: Wait before the first new start; it doubles with each failure.
        longest_delay_s: Longest wait.
        steady_after_s: An instance that was ready for so long begins with the first delay again.
        most_failures: So many failures in a row without becoming ready, and no more is tried.
        crash_window_s: So many failures within this time, and no more is tried even if it became ready between them.
    """

    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    steady_after_s: float = 60.0
    most_failures: int = 5
    crash_window_s: float = 60.0


class Restarts:
    """The failures of one instance. Times are seconds of any clock that never goes back."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._in_a_row = 0
        self._doublings = 0
        self._recent: deque[float] = deque(maxlen=policy.most_failures)

    def delay_after_failure(self, now: float, ready_since: float | None) -> float | None:
        """Seconds to wait before the next start, or None to give up.

        Args:
            now: When it failed.
            ready_since: When it had become ready; None if it never had.
        """
        self._recent.append(now)
        self._in_a_row = self._in_a_row + 1 if ready_since is None else 0
        if ready_since is not None and now - ready_since >= self._policy.steady_after_s:
            self._doublings = 0
        if self._in_a_row >= self._policy.most_failures or self._crashes_without_end(now):
            return None
        delay = min(self._policy.first_delay_s * 2.0**self._doublings, self._policy.longest_delay_s)
        self._doublings += 1
        return delay * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, so that instances do not all load at once

    def _crashes_without_end(self, now: float) -> bool:
        return len(self._recent) == self._policy.most_failures and now - self._recent[0] <= self._policy.crash_window_s


async def pause(delay_s: float, unless: asyncio.Event) -> None:
    """Wait `delay_s` seconds, or until `unless` is set."""
    try:
        async with asyncio.timeout(delay_s):
            await unless.wait()
    except TimeoutError:
        pass
