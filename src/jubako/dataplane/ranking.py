"""The order of documents by their scores."""

from __future__ import annotations

from collections.abc import Sequence


def best(scores: Sequence[float], top_n: int | None) -> list[int]:
    """The places of the `top_n` highest scores, the best first; of all for 0 and None. Equal ones stay in their order."""
    return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[: top_n or None]
