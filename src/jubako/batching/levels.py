"""Priority levels: how many requests may wait at each, how long, and what becomes of those that waited too long."""

from __future__ import annotations

from math import inf
from typing import Generic, TypeVar

from jubako.batching.queue import Group, Limits, Line, Taken, due
from jubako.batching.queued import Queued
from jubako.errors import InvalidRequest, Overloaded
from jubako.repository.config import BatchingConfig, QueueConfig

P = TypeVar("P")
R = TypeVar("R")


class Level(Generic[P, R]):
    """The requests of one priority.

    Attributes:
        line: Those that wait in time.
        late: Those that waited too long and were not refused for it; they are taken when `line` is empty.
        requests: How many wait in both.
        max_size: Most requests that wait.
        timeout_s: Longest wait, or None.
        may_override: Whether a request may ask for a shorter wait.
        rejects: Whether a request that waited too long fails.
    """

    __slots__ = ("_late_ones", "_name", "late", "line", "max_size", "may_override", "rejects", "requests", "timeout_s")

    def __init__(self, config: QueueConfig, *, max_size: int, timeout_s: float | None, name: str, padded: bool) -> None:
        self._name = name
        self.line: Line[P, R] = Line(padded)
        self.late: Line[P, R] = Line(padded)
        self._late_ones: set[Queued[P, R]] = set()
        self.requests = 0
        self.max_size = config.max_size if config.max_size is not None else max_size
        self.timeout_s = config.timeout_ms / 1e3 if config.timeout_ms is not None else timeout_s
        self.may_override = config.allow_timeout_override
        self.rejects = config.timeout_action == "reject"

    def group(self) -> Group[P, R]:
        """The group whose turn it is, of one at least."""
        return (self.line if self.line.requests else self.late).first()

    def take(self, group: Group[P, R], limits: Limits) -> Taken[P, R]:
        """The next batch of the group that :meth:`group` gave."""
        late = not self.line.requests
        taken = (self.late if late else self.line).take(group, limits)
        self.requests -= len(taken[0])
        if late:
            self._late_ones.difference_update(taken[0])
        return taken

    def without(self, queued: Queued[P, R]) -> None:
        """It was cancelled; its state says so already."""
        if queued in self._late_ones:
            self._late_ones.discard(queued)
            self.late.without(queued)
        else:
            self.line.without(queued)
        self.requests -= 1

    def lapse(self, now: float) -> list[Queued[P, R]]:
        """Take out those whose deadline has passed, or let them wait on as late ones. Gives those that fail."""
        lapsed = [queued for queued in self.line if queued.deadline is not None and queued.deadline <= now]
        for queued in lapsed:
            self.line.remove(queued)
            if self.rejects:
                queued.state = "expired"
                self.requests -= 1
            else:
                queued.deadline = None
                self._late_ones.add(queued)
                self.late.add(queued)
        return lapsed if self.rejects else []

    def overloaded(self) -> Overloaded:
        return Overloaded(
            f"The queue of the model {self._name!r} is full: {self.requests} requests wait, and no more than {self.max_size} may."
            " Try again later."
        )


class Levels(Generic[P, R]):
    """All that wait. A higher level always goes first; what is late at a level goes after the rest of it, before the next level.

    Attributes:
        requests: How many wait.
        plain: Whether there are no priorities, so that what is in front stays in front.
    """

    __slots__ = ("_default", "_levels", "_name", "plain", "requests")

    def __init__(
        self, config: BatchingConfig, *, max_queue_size: int, queue_timeout_s: float | None, name: str, padded: bool
    ) -> None:
        self._name = name
        self._levels: list[Level[P, R]] = [
            Level(
                config.queues.get(number, config.queue),
                max_size=max_queue_size,
                timeout_s=queue_timeout_s,
                name=name,
                padded=padded,
            )
            for number in range(1, max(1, config.priority_levels) + 1)
        ]
        self._default = config.default_priority or (config.priority_levels + 1) // 2
        self.plain = config.priority_levels <= 1
        self.requests = 0

    def of(self, queued: Queued[P, R]) -> Level[P, R]:
        """The level of a request; sets its priority, where it names none. Without levels, a priority means nothing.

        Raises:
            InvalidRequest: there is no such level.
        """
        levels = self._levels
        if len(levels) == 1:
            queued.priority = self._default
            return levels[0]
        priority = queued.priority or self._default
        if not 1 <= priority <= len(levels):
            raise InvalidRequest(
                f"The priority is {priority}, but the levels of the model {self._name!r} are 1, the highest, to {len(levels)}; "
                "0 asks for the usual one.",
                param="priority",
            )
        queued.priority = priority
        return levels[priority - 1]

    def add(self, level: Level[P, R], queued: Queued[P, R]) -> None:
        level.line.add(queued)
        level.requests += 1
        self.requests += 1

    def without(self, queued: Queued[P, R]) -> None:
        """It was cancelled; its state says so already."""
        self._level(queued).without(queued)
        self.requests -= 1

    def first(self) -> Level[P, R]:
        """The highest level where somebody waits, of one at least."""
        for level in self._levels:
            if level.requests:
                return level
        raise AssertionError("nobody waits")

    def take(self, level: Level[P, R], group: Group[P, R], limits: Limits) -> Taken[P, R]:
        """The next batch of the group whose turn it is at the level."""
        taken = level.take(group, limits)
        self.requests -= len(taken[0])
        return taken

    def lapse(self, now: float) -> list[Queued[P, R]]:
        """Take out those whose deadline has passed and who are to fail for it."""
        lapsed = [queued for level in self._levels if level.line.requests for queued in level.lapse(now)]
        self.requests -= len(lapsed)
        return lapsed

    def clear(self) -> list[Queued[P, R]]:
        """Take out all that wait, in the order in which they came."""
        waiting = sorted((queued for level in self._levels for line in (level.line, level.late) for queued in line), key=_arrival)
        for queued in waiting:
            queued.state = "expired"
            self.without(queued)
        return waiting

    def earliest_deadline(self) -> float:
        """The first deadline of those that wait, or infinity."""
        return min(
            (queued.deadline for level in self._levels for queued in level.line if queued.deadline is not None), default=inf
        )

    def rows_before(self, queued: Queued[P, R]) -> int:
        """Rows that surely come before those of a request that is not in the queue yet."""
        before = 0
        for level in self._levels[: max(queued.priority, 1)]:
            before += level.line.rows
        own = self._level(queued).line
        return before if due(queued) >= own.latest_due else before - own.rows

    def rejects(self, queued: Queued[P, R]) -> bool:
        """Whether the request is to fail when it has waited too long."""
        return self._level(queued).rejects

    def _level(self, queued: Queued[P, R]) -> Level[P, R]:
        return self._levels[max(queued.priority, 1) - 1]


def _arrival(queued: Queued[P, R]) -> float:
    return queued.arrival
