"""What a tensor model has done, as KServe's statistics extension counts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from jubako.messages import BatchStatistics, Duration, SchedulerStatistics, StatisticsResult


class Arrived(Protocol):
    """What was computed."""

    @property
    def arrival(self) -> float:
        """When it came."""


class Times(NamedTuple):
    """When the parts of one execution began and ended, in seconds of :func:`time.perf_counter`."""

    begun: float
    joined: float
    computed: float
    ended: float


class _Size:
    """The executions of batches of one size. Sums of seconds; the `weighted` ones count an execution for each of its requests."""

    __slots__ = ("executions", "infer", "input", "output", "requests", "weighted_infer", "weighted_input", "weighted_output")

    def __init__(self) -> None:
        self.executions = self.requests = 0
        self.input = self.infer = self.output = 0.0
        self.weighted_input = self.weighted_infer = self.weighted_output = 0.0

    def add(self, requests: int, times: Times) -> None:
        begun, joined, computed, ended = times
        self.executions += 1
        self.requests += requests
        self.input += joined - begun
        self.infer += computed - joined
        self.output += ended - computed
        self.weighted_input += requests * (joined - begun)
        self.weighted_infer += requests * (computed - joined)
        self.weighted_output += requests * (ended - computed)


class Tally:
    """Counts executions, from whichever threads run them. Times are seconds of :func:`time.perf_counter`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_s = 0.0
        self._success_s = 0.0
        self._queue_s = 0.0
        self._failures = 0
        self._failures_s = 0.0
        self._sizes: dict[int, _Size] = {}

    def executed(self, members: Sequence[Arrived], rows: int, times: Times) -> None:
        """A batch of `rows` rows was computed."""
        requests = len(members)
        arrivals = members[0].arrival if requests == 1 else sum([member.arrival for member in members])
        with self._lock:
            self._last_s = times.ended
            self._success_s += requests * times.ended - arrivals
            self._queue_s += requests * times.begun - arrivals
            if (size := self._sizes.get(rows)) is None:
                size = self._sizes[rows] = _Size()
            size.add(requests, times)

    def failed(self, members: Sequence[Arrived], ended: float) -> None:
        """A batch ended in an error."""
        with self._lock:
            self._failures += len(members)
            self._failures_s += len(members) * ended - sum(member.arrival for member in members)

    def refused(self, seconds: float) -> None:
        """A request failed without having been computed, so long after it came."""
        with self._lock:
            self._failures += 1
            self._failures_s += seconds

    def statistics(self, scheduler: SchedulerStatistics) -> StatisticsResult:
        with self._lock:
            sizes = sorted(self._sizes.items())
            requests = sum(size.requests for _, size in sizes)
            return StatisticsResult(
                last_inference_ms=self._last_ms(),
                inferences=sum(rows * size.executions for rows, size in sizes),
                executions=sum(size.executions for _, size in sizes),
                success=_duration(requests, self._success_s),
                fail=_duration(self._failures, self._failures_s),
                queue=_duration(requests, self._queue_s),
                compute_input=_duration(requests, sum(size.weighted_input for _, size in sizes)),
                compute_infer=_duration(requests, sum(size.weighted_infer for _, size in sizes)),
                compute_output=_duration(requests, sum(size.weighted_output for _, size in sizes)),
                batches=[
                    BatchStatistics(
                        rows,
                        _duration(size.executions, size.input),
                        _duration(size.executions, size.infer),
                        _duration(size.executions, size.output),
                    )
                    for rows, size in sizes
                ],
                scheduler=scheduler,
            )

    def _last_ms(self) -> int:
        if not self._last_s:
            return 0
        return round(1e3 * (time.time() - (time.perf_counter() - self._last_s)))


def _duration(count: int, seconds: float) -> Duration:
    return Duration(count, round(seconds * 1e9))
