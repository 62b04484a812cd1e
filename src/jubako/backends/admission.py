"""Who may use the engine now, who waits, and who is refused."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from math import inf
from types import TracebackType

from jubako.channel.server import CallContext
from jubako.errors import DeadlineExceeded, Overloaded


class Place:
    """The right to run one generation. Giving it back twice is harmless."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission

    def release(self) -> None:
        if self._admission is not None:
            self._admission._give_back()
            self._admission = None

    def __enter__(self) -> Place:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


class Admission:
    """`capacity` places, and a bounded queue in order of arrival for those who find none free.

    A request that needs several places takes them one after the other, each with its own wait. So it has one entry in the queue
    at a time, however many choices it wants: requests take turns, and none holds what another needs while it waits for more.

    Args:
        capacity: Places there are.
        max_queue_size: Most requests that wait for their first place.
        queue_timeout_s: Longest wait for a first place, seconds; None has no limit.
    """

    def __init__(self, capacity: int, max_queue_size: int, queue_timeout_s: float | None = None) -> None:
        self.capacity = capacity
        self._max_queue_size = max_queue_size
        self._queue_timeout_s = queue_timeout_s
        self._running = 0
        self._first_waiting = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def running(self) -> int:
        """Places taken."""
        return self._running

    @property
    def queued(self) -> int:
        """Entries that wait for a place."""
        return len(self._waiters)

    async def enter(self, call: CallContext) -> Place:
        """The first place of a request.

        Raises:
            Overloaded: the queue is full; nothing was started.
            DeadlineExceeded: the wait took `queue_timeout_s`, or until the caller's deadline.
        """
        now = asyncio.get_running_loop().time()
        deadline = call.caller.deadline
        if deadline <= now:
            raise _deadline_passed()
        if self._is_free():
            return self._take()
        if self._first_waiting >= self._max_queue_size:
            raise Overloaded(
                f"The model is busy: {self._running} of {self.capacity} places are taken, and {self._first_waiting} of at most "
                f"{self._max_queue_size} requests wait. Try again in a moment.",
                retry_after_s=1,
            )
        call.queued()
        self._first_waiting += 1
        end = min(deadline, now + self._queue_timeout_s) if self._queue_timeout_s is not None else deadline
        try:
            async with asyncio.timeout_at(end if end < inf else None):
                place = await self._wait()
        except TimeoutError:
            if end == deadline:
                raise _deadline_passed() from None
            raise DeadlineExceeded(
                f"The request waited {self._queue_timeout_s:g} seconds (limits.queue_timeout_s of the model's entry) and no "
                "place at the model became free. Try again later."
            ) from None
        finally:
            self._first_waiting -= 1
        call.started()
        return place

    async def enter_again(self) -> Place:
        """One more place for a request that has had its first: waits its turn, and is never refused."""
        return self._take() if self._is_free() else await self._wait()

    def _is_free(self) -> bool:
        return self._running < self.capacity and not self._waiters

    def _take(self) -> Place:
        self._running += 1
        return Place(self)

    async def _wait(self) -> Place:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                # Given a place and cancelled in the same turn of the loop.
                self._give_back()
            else:
                # Who gave a place back in the same turn has passed it over already.
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            raise
        return Place(self)

    def _give_back(self) -> None:
        """Hand the place to the first who waits; it stays taken, so that nobody slips in between."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._running -= 1


def _deadline_passed() -> DeadlineExceeded:
    return DeadlineExceeded("The deadline that the client set has passed before a place at the model became free.")
