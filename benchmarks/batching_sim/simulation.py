"""Discrete events: arrivals, ends of batches, and the times at which a policy wants to be asked again. Nothing sleeps."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from benchmarks.batching_sim.models import Model
from benchmarks.batching_sim.policies import Policy, Request
from benchmarks.batching_sim.traffic import Traffic
from jubako.batching.queued import Queued

ARRIVES, ENDS, LOOKS = 0, 1, 2


@dataclass
class Outcome:
    """What a policy made of some traffic. Latencies are seconds from arrival to the end of the batch."""

    policy: str
    latencies: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """Requests a second, without the first tenth of the run."""
        begin, end = self.ends[-1] * 0.1, self.ends[-1]
        return sum(at > begin for at in self.ends) / (end - begin)

    @property
    def mean(self) -> float:
        return sum(self.latencies) / len(self.latencies)

    @property
    def mean_batch(self) -> float:
        return sum(self.sizes) / len(self.sizes)

    def quantile(self, share: float) -> float:
        return quantile(self.latencies, share)


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def simulate(policy: Policy, traffic: Traffic, model: Model) -> Outcome:
    """Run until every request is answered."""
    return _Run(policy, traffic, model).through()


class _Run:
    def __init__(self, policy: Policy, traffic: Traffic, model: Model) -> None:
        self._policy = policy
        self._traffic = traffic
        self._model = model
        model.begin()
        self._outcome = Outcome(policy.name)
        self._events: list[tuple[float, int, int]] = []
        self._serial = 0
        self._handed: deque[list[Request]] = deque()
        """Batches that were given out, the one that runs in front."""
        self._taking = 0.0
        self._look = -1.0

    def through(self) -> Outcome:
        for at in self._traffic.begin():
            self._expect(at, ARRIVES)
        while self._events:
            now, number, kind = heappop(self._events)
            if kind == ARRIVES:
                self._policy.add(Queued(number, done=_ignore), now)
            elif kind == ENDS:
                self._end(now)
            self._ask(now)
        return self._outcome

    def _expect(self, at: float, kind: int) -> None:
        self._serial += 1
        heappush(self._events, (at, self._serial, kind))

    def _start(self, now: float) -> None:
        self._taking = self._model.seconds(len(self._handed[0]))
        self._expect(now + self._taking, ENDS)

    def _end(self, now: float) -> None:
        members, taken = self._handed.popleft(), self._taking
        if self._handed:
            self._start(now)
        self._policy.finished(members, now, taken)
        self._outcome.sizes.append(len(members))
        for request in members:
            self._outcome.latencies.append(now - request.arrival)
            self._outcome.ends.append(now)
            again = self._traffic.answered(now)
            if again is not None:
                self._expect(again, ARRIVES)

    def _ask(self, now: float) -> None:
        while isinstance(chosen := self._policy.next(now), list):
            self._handed.append(chosen)
            if len(self._handed) == 1:
                self._start(now)
        if isinstance(chosen, float) and (chosen < self._look or self._look <= now):
            self._look = chosen
            self._expect(max(chosen, now + 1e-9), LOOKS)


def _ignore(answer: int | Exception) -> None:
    pass
