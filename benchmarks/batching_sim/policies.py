"""Policies that decide when a batch is started. All see the same requests and the same clock, and only the past."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

import numpy as np

from jubako.batching.batch import Batch
from jubako.batching.queued import Queued
from jubako.batching.scheduler import Scheduler
from jubako.repository.config import BatchingConfig

Request = Queued[int, int]


class Policy(ABC):
    """Chooses batches for one instance that runs one at a time."""

    name: str

    @abstractmethod
    def add(self, request: Request, now: float) -> None: ...

    @abstractmethod
    def next(self, now: float) -> list[Request] | float | None:
        """What to start now, or when to ask again, or None to be asked at the next event. Asked whenever something happened."""

    @abstractmethod
    def finished(self, members: list[Request], now: float, seconds: float) -> None: ...


class Adaptive(Policy):
    """jubako's own :class:`Scheduler`, the class that serves."""

    name = "jubako"

    def __init__(self, max_rows: int) -> None:
        self.scheduler: Scheduler[int, int] = Scheduler(
            BatchingConfig(), max_rows=max_rows, max_queue_size=1_000_000, queue_timeout_s=None, name="simulated"
        )
        self._running: deque[Batch[int, int]] = deque()

    def add(self, request: Request, now: float) -> None:
        self.scheduler.add(request, now)

    def next(self, now: float) -> list[Request] | float | None:
        batch = self.scheduler.next(now)
        if not isinstance(batch, Batch):
            return batch
        self._running.append(batch)
        return batch.members

    def finished(self, members: list[Request], now: float, seconds: float) -> None:
        self.scheduler.finished(self._running.popleft(), now, seconds)


class Greedy(Policy):
    """An idle instance takes all that waits, at once."""

    name = "greedy"

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self.queue: deque[Request] = deque()
        self.busy = False

    def add(self, request: Request, now: float) -> None:
        request.arrival = now
        self.queue.append(request)

    def next(self, now: float) -> list[Request] | float | None:
        if self.busy or not self.queue:
            return None
        until = self.hold(now)
        if until > now:
            return until
        self.busy = True
        return [self.queue.popleft() for _ in range(min(self.limit(), len(self.queue)))]

    def hold(self, now: float) -> float:
        """When to look again, or a time that has passed to start now."""
        return now

    def limit(self) -> int:
        return self.max_rows

    def finished(self, members: list[Request], now: float, seconds: float) -> None:
        self.busy = False


class FixedDelay(Greedy):
    """Triton's `max_queue_delay_microseconds`: a batch that is not full waits until its oldest request has waited so long."""

    def __init__(self, max_rows: int, delay: float = 0.002) -> None:
        super().__init__(max_rows)
        self._delay = delay
        self.name = f"fixed delay {delay * 1e3:g} ms"

    def hold(self, now: float) -> float:
        return now if len(self.queue) >= self.max_rows else self.queue[0].arrival + self._delay


class Cork(Greedy):
    """BentoML's CORK dispatcher, from its published behaviour.

    It looks once a millisecond, learns ``a * n + b`` by least squares over its last 50 batches, and goes on waiting while
    ``n * (wait of the newest + tick + a)`` is at most 0.95 of the wait that has been usual. Its timeouts are left out.
    """

    name = "BentoML's CORK"
    TICK = 0.001

    def __init__(self, max_rows: int) -> None:
        super().__init__(max_rows)
        self._samples: deque[tuple[int, float, float]] = deque(maxlen=50)
        self._a, self._wait = 0.001, 0.01
        self._outbound = 0
        self._waited: deque[float] = deque()

    def next(self, now: float) -> list[Request] | float | None:
        if self.busy and self.queue:
            return now + self.TICK
        batch = super().next(now)
        if isinstance(batch, list):
            self._waited.append(now - batch[0].arrival)
        return batch

    def hold(self, now: float) -> float:
        count = len(self.queue)
        newest = now - self.queue[-1].arrival
        waits = count < self.max_rows and count * (newest + self.TICK + self._a) <= self._wait * 0.95
        return now + self.TICK if waits else now

    def finished(self, members: list[Request], now: float, seconds: float) -> None:
        super().finished(members, now, seconds)
        self._samples.append((len(members), self._waited.popleft(), seconds))
        self._outbound += 1
        if self._outbound % 5 == 0:
            sizes = np.array([[size, 1.0] for size, _, _ in self._samples])
            factors = np.linalg.lstsq(sizes, np.array([taken for _, _, taken in self._samples]), rcond=None)[0]
            self._a = max(1e-6, float(factors[0]))
            self._wait = sum(wait for _, wait, _ in self._samples) / len(self._samples)


class Aimd(Greedy):
    """Clipper: greedy, with a largest size that grows by one while batches keep the objective and shrinks by a tenth if not."""

    name = "AIMD (Clipper)"
    OBJECTIVE = 0.02

    def __init__(self, max_rows: int) -> None:
        super().__init__(max_rows)
        self._limit = 1.0

    def limit(self) -> int:
        return max(1, int(self._limit))

    def finished(self, members: list[Request], now: float, seconds: float) -> None:
        super().finished(members, now, seconds)
        if seconds > self.OBJECTIVE:
            self._limit = max(1.0, self._limit * 0.9)
        elif len(members) >= self.limit():
            self._limit = min(self.max_rows, self._limit + 1)


def every_policy(max_rows: int) -> list[Policy]:
    return [Adaptive(max_rows), Greedy(max_rows), FixedDelay(max_rows), Cork(max_rows), Aimd(max_rows)]
