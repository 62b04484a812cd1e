"""Whether and when a request is asked again."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

from jubako.backends.upstream.params import RetryConfig

_FREE_RETRIES = 10.0
"""Retries in hand at the start, and the most that are ever saved up."""


class RetryBudget:
    """Bounds retries as a part of all requests, so that they never multiply the load on an upstream that is down.

    Each request earns a part of a retry; each retry costs one. As in Finagle's ``RetryBudget``.
    """

    def __init__(self, part: float) -> None:
        self._part = part
        self._balance = _FREE_RETRIES if part else 0.0

    def request(self) -> None:
        self._balance = min(_FREE_RETRIES, self._balance + self._part)

    def take(self) -> bool:
        """Whether there is one more retry; it is spent."""
        if self._balance < 1:
            return False
        self._balance -= 1
        return True


def wait_before(attempt: int, config: RetryConfig, retry_after_s: float | None) -> float | None:
    """Seconds before retry number `attempt`, counted from 0; None where the upstream wants a longer wait than is allowed.

    Without its word, exponential with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    if retry_after_s is not None:
        return retry_after_s if retry_after_s <= config.cap_s else None
    return random.uniform(0, min(config.cap_s, config.base_s * 2**attempt))  # noqa: S311 - jitter is no secret


def retry_after(value: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header names, by a number or by a date (RFC 9110, 10.2.3); None where it names none."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
