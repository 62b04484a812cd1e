"""When a call that failed is made again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from jubako_client.errors import DeadlineExceeded, InstanceLost, JubakoError, Overloaded

FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 10.0
LONGEST_TIMEOUT_S: Final = 1e8
"""Three years. What gRPC takes has a bound, beyond which it means a time that has passed."""


@dataclass
class Patience:
    """How long one call may take, and how often it may be made again.

    Attributes:
        retries: How often it may still be made again.
        deadline: When it must have ended, by :func:`time.monotonic`; None for never.
    """

    retries: int
    deadline: float | None
    _failures: int = 0

    @classmethod
    def of(cls, retries: int, timeout_s: float | None) -> Patience:
        return cls(retries, None if timeout_s is None else time.monotonic() + timeout_s)

    def remaining_s(self) -> float | None:
        """Seconds until the deadline, at least none; None without one."""
        return None if self.deadline is None else min(max(self.deadline - time.monotonic(), 0.0), LONGEST_TIMEOUT_S)

    def delay_s(self, error: JubakoError) -> float | None:
        """Seconds to wait before the call is made again after `error`; None where it is not.

        The wait is drawn from nothing to a bound that doubles each time ("full jitter",
        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), after what the server says at least.
        """
        if self._failures >= self.retries or not _is_passing(error):
            return None
        bound = min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S)
        self._failures += 1
        delay = (error.retry_after_s or 0.0) + random.uniform(0.0, bound)  # noqa: S311 # it only spreads load
        remaining = self.remaining_s()
        return None if remaining is not None and delay >= remaining else delay


def _is_passing(error: JubakoError) -> bool:
    """Whether the same call may go well a little later."""
    if isinstance(error, (DeadlineExceeded, InstanceLost)):  # the call itself may be why the instance died
        return False
    return error.status == "UNAVAILABLE" or (isinstance(error, Overloaded) and error.retry_after_s is not None)
