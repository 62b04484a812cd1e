"""The lengths to which sequences are padded, for engines that pad."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

FINE = 8
"""Buckets begin at this many tokens, and are this far apart up to :data:`COARSE_FROM`."""

COARSE_FROM = 64
"""From here on there are four buckets between a length and its double, so that at most a fifth of a sequence is padding."""


def default_buckets(context_length: int) -> list[int]:
    """Ascending; the last is `context_length`."""
    buckets = list(range(FINE, COARSE_FROM, FINE))
    start = COARSE_FROM
    while start < context_length:
        buckets += [start + start * quarter // 4 for quarter in range(4)]
        start *= 2
    return [*(bucket for bucket in buckets if bucket < context_length), context_length]


def bucket_of(length: int, buckets: Sequence[int]) -> int:
    """The shortest bucket that holds `length` tokens; `length` itself where none does."""
    place = bisect_left(buckets, length)
    return buckets[place] if place < len(buckets) else length
