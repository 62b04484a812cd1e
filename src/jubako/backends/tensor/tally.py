"""What a tensor model has done, as KServe's statistics extension counts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from jubako.backends.tensor.intake import Member
from jubako.messages import BatchStatistics, Duration, SchedulerStatistics, StatisticsResult


class _Sum:
    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        self.count += count
        self.seconds += seconds

    def duration(self) -> Duration:
        return Duration(self.count, round(self.seconds * 1e9))


class Times(NamedTuple):
    """When the parts of one execution began and ended, in seconds of :func:`time.perf_counter`."""

    begun: float
    joined: float
    computed: float
    ended: float


class _Phases:
    """The parts of executions: making the batch's inputs, computing, making the answers."""

    __slots__ = ("infer", "input", "output")

    def __init__(self) -> None:
        self.input, self.infer, self.output = _Sum(), _Sum(), _Sum()

    def add(self, times: Times, requests: int = 1) -> None:
        """One execution; each of its requests is taken to have waited for all of it."""
        self.input.add(requests * (times.joined - times.begun), requests)
        self.infer.add(requests * (times.computed - times.joined), requests)
        self.output.add(requests * (times.ended - times.computed), requests)


class Tally:
    """Counts executions, from whichever threads run them. Times are seconds of :func:`time.perf_counter`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inferences = 0
        self._executions = 0
        self._last_ms = 0
        self._success, self._fail, self._queue = _Sum(), _Sum(), _Sum()
        self._phases = _Phases()
        self._sizes: dict[int, _Phases] = {}

    def executed(self, members: Sequence[Member], rows: int, times: Times) -> None:
        """A batch of `rows` rows was computed."""
        count = len(members)
        arrivals = sum(member.arrival for member in members)
        with self._lock:
            self._inferences += rows
            self._executions += 1
            self._last_ms = time.time_ns() // 1_000_000
            self._success.add(count * times.ended - arrivals, count)
            self._queue.add(count * times.begun - arrivals, count)
            self._phases.add(times, count)
            self._sizes.setdefault(rows, _Phases()).add(times)

    def failed(self, members: Sequence[Member], ended: float) -> None:
        """A batch ended in an error."""
        with self._lock:
            self._fail.add(len(members) * ended - sum(member.arrival for member in members), len(members))

    def refused(self, seconds: float) -> None:
        """A request failed without having been computed, so long after it came."""
        with self._lock:
            self._fail.add(seconds)

    def statistics(self, scheduler: SchedulerStatistics) -> StatisticsResult:
        with self._lock:
            return StatisticsResult(
                last_inference_ms=self._last_ms,
                inferences=self._inferences,
                executions=self._executions,
                success=self._success.duration(),
                fail=self._fail.duration(),
                queue=self._queue.duration(),
                compute_input=self._phases.input.duration(),
                compute_infer=self._phases.infer.duration(),
                compute_output=self._phases.output.duration(),
                batches=[
                    BatchStatistics(size, sums.input.duration(), sums.infer.duration(), sums.output.duration())
                    for size, sums in sorted(self._sizes.items())
                ],
                scheduler=scheduler,
            )
