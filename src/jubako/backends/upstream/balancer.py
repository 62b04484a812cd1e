"""Which of several upstreams is asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from jubako.backends.upstream.target import Target
from jubako.errors import UpstreamUnavailable

Balance = Literal["least_loaded", "weighted", "in_order"]


class Balancer:
    """Chooses among the upstreams whose circuits let something through."""

    def __init__(self, targets: Sequence[Target], balance: Balance) -> None:
        self._targets = targets
        self._balance = balance
        self._credit = dict.fromkeys(targets, 0.0)

    def choose(self, tried: Collection[Target] = ()) -> Target:
        """An upstream for a request that failed at those of `tried`: one of the others if there is any.

        Raises:
            UpstreamUnavailable: every circuit is open; `retry_after_s` says until when.
        """
        usable = [target for target in self._targets if target.breaker.lets_through()]
        if not usable:
            wait_s = min(target.breaker.closed_in_s() for target in self._targets)
            raise UpstreamUnavailable(
                f"The upstream of this model has failed too often of late and is left alone for {max(wait_s, 1):.0f} seconds. "
                "Try again then.",
                retry_after_s=max(wait_s, 1.0),
            )
        candidates = [target for target in usable if target not in tried] or usable
        if len(candidates) == 1:
            return candidates[0]
        if self._balance == "in_order":
            return candidates[0]
        if self._balance == "weighted":
            return self._next_in_turn(candidates)
        return min(candidates, key=lambda target: (target.in_flight + 1) / target.weight)

    def has_other(self, tried: Collection[Target]) -> bool:
        """Whether some upstream has not been tried and would be asked."""
        return any(target not in tried and target.breaker.lets_through() for target in self._targets)

    def _next_in_turn(self, candidates: Sequence[Target]) -> Target:
        """Smooth weighted round-robin, as nginx has it: each earns its weight, and the one that is chosen pays for all."""
        for target in candidates:
            self._credit[target] += target.weight
        chosen = max(candidates, key=lambda target: self._credit[target])
        self._credit[chosen] -= sum(target.weight for target in candidates)
        return chosen
