"""Rate limits: requests and tokens a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from jubako.errors import Overloaded

_MINUTE_S = 60.0


class Bucket:
    """A token bucket that fills evenly and holds a minute's worth at most.

    What is taken beyond what it holds is owed: whoever takes waits until the debt is paid, so that all wait in the order in which
    they came, without a queue.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = per_minute
        self._per_s = per_minute / _MINUTE_S
        self._clock = clock
        self._level = per_minute
        self._at = clock()

    def wait_s(self, amount: float) -> float:
        """How long taking `amount` would have to wait. One that is larger than the bucket waits for a full one."""
        self._fill()
        return max(0.0, (min(amount, self.capacity) - self._level) / self._per_s)

    def take(self, amount: float) -> None:
        self._fill()
        self._level -= amount

    def give_back(self, amount: float) -> None:
        """What was taken and not used; negative for what was used and not taken."""
        self._fill()
        self._level = min(self.capacity, self._level + amount)

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self._per_s)
        self._at = now


class Allowance:
    """What one request took of the limits; :meth:`settle` it with what it really used."""

    def __init__(self, tokens: Bucket | None, estimated: float) -> None:
        self._tokens = tokens
        self._estimated = estimated

    def settle(self, used: int) -> None:
        """`used` tokens of prompt and answer, by the upstream's count; 0 where it did not say."""
        if self._tokens is not None and used:
            self._tokens.give_back(self._estimated - used)
            self._tokens = None


class RateLimits:
    """Both limits of one entry."""

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        longest_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = Bucket(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, clock) if tokens_per_minute else None
        self._longest_wait_s = longest_wait_s
        self.waiting = 0

    @property
    def counts_tokens(self) -> bool:
        """Whether :meth:`enter` needs an estimate."""
        return self._tokens is not None

    async def enter(self, tokens: float) -> Allowance:
        """Wait until a request of about so many tokens may be sent.

        Raises:
            Overloaded: the wait would be longer than is allowed; nothing was taken.
        """
        if self._tokens is not None:
            # More than a minute's worth is never waited for, so it must not be owed either.
            tokens = min(tokens, self._tokens.capacity)
        taken = [(bucket, amount) for bucket, amount in ((self._requests, 1.0), (self._tokens, tokens)) if bucket is not None]
        wait_s = max((bucket.wait_s(amount) for bucket, amount in taken), default=0.0)
        if wait_s > self._longest_wait_s:
            raise Overloaded(
                f"The rate limit of this model is used up for the next {wait_s:.0f} seconds. Try again then.",
                code="rate_limit_exceeded",
                retry_after_s=wait_s,
            )
        for bucket, amount in taken:
            bucket.take(amount)
        if wait_s:
            self.waiting += 1
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:
                for bucket, amount in taken:
                    bucket.give_back(amount)
                raise
            finally:
                self.waiting -= 1
        return Allowance(self._tokens, tokens)
