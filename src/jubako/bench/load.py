"""Puts load on targets: level by level, round by round, the targets taking turns within each round.

A disturbance of the machine thus meets all targets of a level alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from msgspec import Struct

from jubako.bench.connection import Address, Answer, Connection
from jubako.bench.prompts import Prompts
from jubako.bench.sample import Sample, read_sample
from jubako.bench.target import Asking, Probed


class Schedule(Struct, frozen=True, kw_only=True):
    """How much is asked, and in what order.

    Attributes:
        levels: How many streams run at once, one level after the other.
        rounds: How often the targets take turns at each level.
        requests: For each target, level and round; None is twice as many as there are streams.
        duration_s: In place of `requests`: for how long new requests are sent, for each target, level and round.
        warmup: Requests to each target before all others, which do not count; as many run at once as the highest level has.
    """

    levels: Sequence[int] = (1, 2, 4, 8, 16, 25, 36)
    rounds: int = 2
    requests: int | None = None
    duration_s: float | None = None
    warmup: int = 4

    def requests_at(self, level: int) -> int:
        return self.requests if self.requests is not None else 2 * level

    @property
    def turns(self) -> list[tuple[int, int]]:
        """Level and round, in their order."""
        return [(level, number) for level in self.levels for number in range(self.rounds)]


class Turn(Struct, frozen=True, kw_only=True):
    """What one target did in one round of one level; `seconds` is from the first request to the end of the last answer."""

    target: Probed
    level: int
    round: int
    seconds: float
    samples: list[Sample]


Counted = Callable[[], None]
"""Called when a request is over."""


async def put(targets: Sequence[Probed], schedule: Schedule, asking: Asking, counted: Counted) -> AsyncGenerator[Turn, None]:
    """Do all of `schedule`, and give each turn when it is over."""
    for target in targets:
        if schedule.warmup:
            streams = min(schedule.warmup, max(schedule.levels))
            await _Load(target, asking, streams, schedule.warmup, None, seed=-1, counted=counted).run()
    for position, (level, number) in enumerate(schedule.turns):
        for target in targets if number % 2 == 0 else reversed(targets):
            load = _Load(
                target,
                asking,
                level,
                schedule.requests_at(level) if schedule.duration_s is None else None,
                schedule.duration_s,
                seed=asking.seed + position,
                counted=counted,
            )
            seconds, samples = await load.run()
            yield Turn(target=target, level=level, round=number, seconds=seconds, samples=samples)


class _Load:
    """A number of streams at once, each of which asks again when its answer is over."""

    def __init__(
        self,
        target: Probed,
        asking: Asking,
        streams: int,
        requests: int | None,
        duration_s: float | None,
        *,
        seed: int,
        counted: Counted,
    ) -> None:
        self._target = target
        self._address: Address = target.target.address
        self._asking = asking
        self._streams = streams
        self._left = requests
        self._duration_s = duration_s
        self._prompts: Prompts = target.prompts(asking, seed)
        self._counted = counted
        self._answers: list[Answer | Sample] = []

    async def run(self) -> tuple[float, list[Sample]]:
        """Seconds that it took, and a sample for each request."""
        connections = await asyncio.gather(*(self._connect() for _ in range(self._streams)))
        begun = time.perf_counter()
        until = begun + self._duration_s if self._duration_s is not None else None
        try:
            await asyncio.gather(*(self._stream(connection, until) for connection in connections))
        finally:
            for connection in connections:
                if connection is not None:
                    connection.close()
        seconds = time.perf_counter() - begun
        # Only now: while streams run, nothing but the clock is read.
        return seconds, [answer if isinstance(answer, Sample) else read_sample(answer) for answer in self._answers]

    async def _stream(self, connection: Connection | None, until: float | None) -> None:
        while self._may_ask(until):
            if connection is None or not connection.is_open:
                connection = await self._connect()
            self._answers.append(await self._ask(connection))
            self._counted()
        if connection is not None:
            connection.close()

    def _may_ask(self, until: float | None) -> bool:
        if self._left is None:
            return until is not None and time.perf_counter() < until
        self._left -= 1
        return self._left >= 0

    async def _ask(self, connection: Connection | None) -> Answer | Sample:
        if connection is None:
            # A server that is away must not be asked a thousand times a second for as long as the turn lasts.
            await asyncio.sleep(0.1)
            return Sample(error="nobody answers at the address")
        request = self._target.request(self._prompts.make(), self._asking)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._asking.timeout_s):
                return await connection.ask(request)
        except TimeoutError:
            return Sample(seconds=time.perf_counter() - begun, error=f"no end within {self._asking.timeout_s:g} seconds")
        except ConnectionError as error:
            return Sample(seconds=time.perf_counter() - begun, error=str(error))

    async def _connect(self) -> Connection | None:
        try:
            async with asyncio.timeout(self._asking.timeout_s):
                return await Connection.open(self._address)
        except (OSError, TimeoutError):
            return None
