"""Who sends requests, and when. Times are seconds since the start; everything follows from the seed."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from itertools import pairwise


class Traffic(ABC):
    """Gives the arrivals."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def begin(self) -> list[float]:
        """Arrivals that do not depend on answers, ascending."""

    def answered(self, now: float) -> float | None:
        """A request was answered: when its client asks again, if it does."""
        return None


class Poisson(Traffic):
    """Independent clients: `rate` arrivals a second for `seconds`."""

    def __init__(self, rate: float, seconds: float, seed: int = 1) -> None:
        super().__init__(f"Poisson {rate:.0f}/s")
        self.rate = rate
        self._seconds = seconds
        self._seed = seed

    def begin(self) -> list[float]:
        draw = random.Random(self._seed)
        times = []
        now = draw.expovariate(self.rate)
        while now < self._seconds:
            times.append(now)
            now += draw.expovariate(self.rate)
        return times


class Bursty(Traffic):
    """A Poisson process whose rate jumps between two values, each kept for an exponential time (a two-state MMPP)."""

    def __init__(self, low: float, high: float, dwell: float, seconds: float, seed: int = 2) -> None:
        super().__init__(f"bursty {low:.0f} and {high:.0f}/s")
        self._rates = (low, high)
        self._dwell = dwell
        self._seconds = seconds
        self._seed = seed

    def begin(self) -> list[float]:
        draw = random.Random(self._seed)
        switches = [0.0]
        while switches[-1] < self._seconds:
            switches.append(switches[-1] + draw.expovariate(1 / self._dwell))
        times = []
        for index, (start, end) in enumerate(pairwise(switches)):
            now = start + draw.expovariate(self._rates[index % 2])
            while now < min(end, self._seconds):
                times.append(now)
                now += draw.expovariate(self._rates[index % 2])
        return times


class ClosedLoop(Traffic):
    """`clients` of which each asks again when it has its answer.

    The server's front end handles one answer and the request that follows at a time, `handling` seconds each, with some noise;
    then the client thinks for an exponential time of mean `think`. How many clients take part may change: `clients` is the number
    in each of equal parts of the run.
    """

    def __init__(
        self, clients: int | tuple[int, ...], seconds: float, *, handling: float = 75e-6, think: float = 0.0, seed: int = 3
    ) -> None:
        self._parts = (clients,) if isinstance(clients, int) else clients
        thinking = f", think {think * 1e3:g} ms" if think else ""
        super().__init__(f"closed loop {', '.join(map(str, self._parts))}{thinking}")
        self.seconds = seconds
        self.handling = handling
        self.think = think
        self._draw = random.Random(seed)
        self._free = 0.0
        self._there = 0

    @property
    def clients(self) -> int:
        return max(self._parts)

    def begin(self) -> list[float]:
        times = []
        length = self.seconds / len(self._parts)
        for index, (before, there) in enumerate(pairwise((0, *self._parts))):
            times += [index * length + self.handling * place for place in range(there - before)]
        self._there = self._parts[0]
        return times

    def answered(self, now: float) -> float | None:
        if now >= self.seconds:
            return None
        wanted = self._parts[int(now / self.seconds * len(self._parts))]
        if self._there > wanted:
            self._there -= 1
            return None
        self._there = max(self._there, wanted)
        self._free = max(self._free, now) + self.handling * self._draw.uniform(0.7, 1.3)
        return self._free + (self._draw.expovariate(1 / self.think) if self.think else 0.0)
