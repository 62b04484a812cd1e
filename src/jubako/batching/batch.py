"""A batch: requests that are computed together."""

from __future__ import annotations

from typing import Generic, Literal, TypeAlias, TypeVar

from jubako.batching.queued import Queued

P = TypeVar("P")
R = TypeVar("R")

Bound: TypeAlias = Literal["waiting", "rows", "work", "objective", "preferred", "single"]
"""What kept a batch from being larger."""


class Batch(Generic[P, R]):
    """Requests that are computed together.

    Attributes:
        members: The requests, in the order of the batch; empty once they have their answers.
        requests: How many they are.
        rows: Rows of all of them.
        work: Units of work, padding included.
        length: The length bucket that they share, 0 without.
        predicted: Seconds that it was expected to take; 0 while nothing is known.
        held: Seconds that the idle instance was held back for it.
        bound: What kept it from being larger.
        left: Requests that could have shared it and stayed behind.
        inline: Whether it is run in the event loop's thread.
        started: The clock when its execution began, seconds.
        seconds: How long its execution took; None if it failed.
    """

    __slots__ = (
        "bound",
        "held",
        "inline",
        "left",
        "length",
        "members",
        "predicted",
        "requests",
        "rows",
        "seconds",
        "started",
        "work",
    )

    def __init__(self, members: list[Queued[P, R]], rows: int, work: float, length: int, bound: Bound) -> None:
        self.members = members
        self.requests = len(members)
        self.rows = rows
        self.work = work
        self.length = length
        self.bound = bound
        self.predicted = 0.0
        self.held = 0.0
        self.left = 0
        self.inline = False
        self.started = 0.0
        self.seconds: float | None = None

    def explain(self) -> str:
        """Why it is as large as it is, in a sentence."""
        requests = self.requests
        size = f"{self.rows} row{'s'[: self.rows > 1]} of {requests} request{'s'[: requests > 1]}"
        why = {
            "waiting": "all that waited",
            "rows": "as many rows as a batch may have",
            "work": "more would have passed `max_work`",
            "objective": "more would have missed `latency_objective_ms`",
            "preferred": "the largest preferred size that was full",
            "single": "each request is a batch of its own",
        }[self.bound]
        text = f"{size}: {why}"
        if self.held > 0.0:
            text += f", after {self.held * 1e3:.2f} ms of waiting for clients that were expected back"
        if self.left:
            text += f"; {self.left} stayed behind"
        return text + "."
