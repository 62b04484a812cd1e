"""The requests that wait: by priority level, and in each level by what may share a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeAlias, TypeVar

from jubako.batching.batch import Bound
from jubako.batching.queued import Queued

P = TypeVar("P")
R = TypeVar("R")

Taken: TypeAlias = tuple[list[Queued[P, R]], int, float, Bound]
"""A batch's requests, its rows, its work, and what bounds it."""

PATIENCE_S = 1.0
"""Among requests with deadlines, one without counts as if it had to start this many seconds after it came. So it is never passed
for ever."""

EMPTY_GROUPS = 16
"""A level with more groups than this forgets those that are empty."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may be now.

    Attributes:
        rows: Most rows, at least 1.
        work: Most work, padding included.
        work_bound: What bounds the work.
        preferred: Sizes in rows, ascending, to the largest of which a batch is cut down.
    """

    rows: int
    work: float
    work_bound: Bound
    preferred: tuple[int, ...] = ()


def patience(deadline: float, now: float) -> float | None:
    """How long a request may wait whose client has set a deadline, in seconds; None for any time.

    It counts only where it is soon: the request then goes before those that have time, and is refused at once if it would surely
    be late. With a later one it would go behind those that have none; when that passes, the request is taken back.
    """
    left = deadline - now
    return max(left, 0.0) if left <= PATIENCE_S else None


def due(queued: Queued[P, R]) -> float:
    """When it is to be started, for the order of the queue."""
    return queued.deadline if queued.deadline is not None else queued.arrival + PATIENCE_S


class Group(Generic[P, R]):
    """Requests that may share a batch, the one that is due first in front. Cancelled ones stay until they come to the front.

    Attributes:
        requests: Those that still wait; `rows` and `work` are theirs.
        padded: What a row weighs at least, in units of work: the length to which it is padded.
    """

    __slots__ = ("_items", "_last_due", "indexed_at", "length", "padded", "requests", "rows", "work")

    def __init__(self, length: int, padded: float) -> None:
        self._items: deque[Queued[P, R]] = deque()
        self._last_due = 0.0
        self.indexed_at = -1.0
        self.length = length
        self.padded = padded
        self.requests = 0
        self.rows = 0
        self.work = 0.0

    def weight(self, queued: Queued[P, R]) -> float:
        """Its work, padding included."""
        return max(queued.work, queued.rows * self.padded) if self.padded else queued.work

    def add(self, queued: Queued[P, R], when: float) -> None:
        """It waits, and is due `when`."""
        items = self._items
        if not items or when >= self._last_due:
            items.append(queued)
            self._last_due = when
        else:
            place = len(items)
            while place and due(items[place - 1]) > when:
                place -= 1
            items.insert(place, queued)
        self.requests += 1
        self.rows += queued.rows
        self.work += self.weight(queued) if self.padded else queued.work

    def remove(self, queued: Queued[P, R]) -> None:
        """Take it out, whatever its state."""
        self._items.remove(queued)
        self.without(queued)

    def without(self, queued: Queued[P, R]) -> None:
        """It no longer waits; it was taken out, or its state says so."""
        self.requests -= 1
        self.rows -= queued.rows
        self.work -= self.weight(queued)
        if not self.requests:
            self._items.clear()
            self.work = 0.0
        elif len(self._items) > 2 * self.requests + 16:
            self._items = deque(self)

    def __iter__(self) -> Iterator[Queued[P, R]]:
        return (queued for queued in self._items if queued.state == "waiting")

    def first(self) -> Queued[P, R]:
        """The one that is due first, of one at least."""
        items = self._items
        while items[0].state != "waiting":
            items.popleft()
        return items[0]

    def take(self, limits: Limits) -> Taken[P, R]:
        """The next batch: its requests, rows and work, and what bounds it. One request at least, however large it is."""
        if self.rows <= limits.rows and self.work <= limits.work and not limits.preferred:
            members = [queued for queued in self._items if queued.state == "waiting"]
            rows, work, bound = self.rows, self.work, "waiting" if self.rows < limits.rows else limits_bound(limits)
            self._items.clear()
            self.requests, self.rows, self.work = 0, 0, 0.0
            return members, rows, work, bound
        count, bound = self._fitting(limits)
        members = []
        rows, work = 0, 0.0
        items = self._items
        while len(members) < count:
            queued = items.popleft()
            if queued.state == "waiting":
                members.append(queued)
                rows += queued.rows
                work += self.weight(queued)
        self.requests -= count
        self.rows -= rows
        self.work = self.work - work if self.requests else 0.0
        return members, rows, work, bound

    def _fitting(self, limits: Limits) -> tuple[int, Bound]:
        """How many of those in front make a batch, and what bounds it."""
        rows, work = 0, 0.0
        ends: list[int] = []
        bound: Bound = "waiting"
        for queued in self:
            rows += queued.rows
            work += self.weight(queued)
            if ends and rows > limits.rows:
                bound = limits_bound(limits)
                break
            if ends and work > limits.work:
                bound = limits.work_bound
                break
            ends.append(rows)
            if rows >= limits.rows:
                bound = limits_bound(limits)
                break
        for size in reversed(limits.preferred):
            if size <= ends[-1]:
                fitting = sum(end <= size for end in ends)
                return (fitting, "preferred") if 0 < fitting < len(ends) else (len(ends), bound)
        return len(ends), bound


def limits_bound(limits: Limits) -> Bound:
    """How a batch is called that has all the rows it may have."""
    return "rows" if limits.rows > 1 else "single"


class Line(Generic[P, R]):
    """Groups of waiting requests; the group whose first request is due first comes first, so none waits for ever.

    Args:
        padded: Whether length buckets count as work.
    """

    __slots__ = ("_groups", "_index", "_padded", "_serial", "latest_due", "requests")

    def __init__(self, padded: bool) -> None:
        self._groups: dict[tuple[Hashable, int], Group[P, R]] = {}
        self._index: list[tuple[float, int, Group[P, R]]] = []
        self._padded = padded
        self._serial = 0
        self.latest_due = 0.0
        self.requests = 0

    def add(self, queued: Queued[P, R]) -> None:
        place = (queued.key, queued.length)
        group = self._groups.get(place)
        if group is None:
            if len(self._groups) >= EMPTY_GROUPS:
                self._forget_empty()
            group = self._groups[place] = Group(queued.length, float(queued.length) if self._padded else 0.0)
        when = queued.deadline if queued.deadline is not None else queued.arrival + PATIENCE_S
        self.latest_due = max(self.latest_due, when)
        group.add(queued, when)
        self.requests += 1
        if group.requests == 1 or when < group.indexed_at:
            self._enter(group)

    def without(self, queued: Queued[P, R]) -> None:
        """It no longer waits; its state says so already."""
        self._groups[queued.key, queued.length].without(queued)
        self.requests -= 1

    def remove(self, queued: Queued[P, R]) -> None:
        """Take it out, whatever its state."""
        self._groups[queued.key, queued.length].remove(queued)
        self.requests -= 1

    @property
    def rows(self) -> int:
        """Rows of those that wait."""
        return sum(group.rows for group in self._groups.values())

    def first(self) -> Group[P, R]:
        """The group whose turn it is, of one at least."""
        index = self._index
        while True:
            when, _, group = index[0]
            if when == group.indexed_at and group.requests:
                if due(group.first()) == when:
                    return group
                self._enter(group)
            heappop(index)

    def take(self, group: Group[P, R], limits: Limits) -> Taken[P, R]:
        """The next batch of a group, as :meth:`Group.take`."""
        taken = group.take(limits)
        self.requests -= len(taken[0])
        if group.requests:
            self._enter(group)
        return taken

    def __iter__(self) -> Iterator[Queued[P, R]]:
        for group in self._groups.values():
            if group.requests:
                yield from group

    def _enter(self, group: Group[P, R]) -> None:
        group.indexed_at = due(group.first())
        self._serial += 1
        heappush(self._index, (group.indexed_at, self._serial, group))

    def _forget_empty(self) -> None:
        self._groups = {place: group for place, group in self._groups.items() if group.requests}
        self._index = [entry for entry in self._index if entry[2].requests and entry[0] == entry[2].indexed_at]
        self._index.sort()
