"""One request as the batcher sees it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Queued(Generic[P, R]):
    """A request that waits, or is being computed.

    Attributes:
        payload: What the batch function gets; the batcher never looks at it.
        done: Called once, in the event loop's thread, with the answer or the error; never after the request was cancelled.
        rows: Rows along the batch dimension, at least 1.
        work: Units of work by the model's cost function, without padding.
        key: Requests share a batch only where these are equal: shapes, parameters, which inputs are there.
        length: For a model with length buckets, the bucket (every member of a batch is padded to the batch's longest); else 0.
        priority: 1 is the highest; 0 where there are no levels.
        arrival: The batcher's clock when it came, seconds.
        deadline: The clock when waiting for it ends (its queue timeout), or None.
        in_a_hurry: Whether the deadline is the caller's own, and not the model's.
        state: Where it is; the batcher's own.
    """

    payload: P
    done: Callable[[R | Exception], None]
    rows: int = 1
    work: float = 1.0
    key: Hashable = None
    length: int = 0
    priority: int = 0
    arrival: float = 0.0
    deadline: float | None = None
    in_a_hurry: bool = False
    state: str = field(default="new")

    @property
    def limit(self) -> str:
        """Whose word the deadline is."""
        return "its client allows" if self.in_a_hurry else "the model's entry allows (limits.queue_timeout_s, or batching.queue)"
