"""How busy the machine was during a load, and with what."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.loads import Load
from benchmarks.peers.server import Server

QUIET_CORES = 0.15
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """In cores, so that 1.0 is one core busy all the time. `other` is neither the server nor the generator; `steal` is what the
    machine under a virtual one took."""

    server: float
    generator: float
    other: float
    steal: float

    @property
    def is_clean(self) -> bool:
        return self.other <= QUIET_CORES


@dataclass(frozen=True)
class _Moment:
    time_s: float
    server_s: float
    children_s: float
    own_s: float
    machine_s: float
    steal_s: float


def metered(server: Server, work: Callable[[], Load]) -> tuple[Load, Usage]:
    """Run `work`, which starts load generators and waits for them."""
    before = _now(server)
    load = work()
    after = _now(server)
    took = after.time_s - before.time_s
    used = (after.server_s - before.server_s) / took
    generator = (after.children_s - before.children_s) / took
    own = (after.own_s - before.own_s) / took
    machine = (after.machine_s - before.machine_s) / took
    steal = (after.steal_s - before.steal_s) / took
    return load, Usage(round(used, 2), round(generator, 2), round(machine - used - generator - own, 2), round(steal, 2))


def clean(server: Server, work: Callable[[], Load], tries: int) -> tuple[Load, Usage]:
    """As :func:`metered`, again while others kept the machine busy; the quietest of at most `tries`."""
    best: tuple[Load, Usage] | None = None
    for _ in range(tries):
        load, usage = metered(server, work)
        if best is None or usage.other < best[1].other:
            best = load, usage
        if usage.is_clean:
            break
    assert best is not None
    return best


def _now(server: Server) -> _Moment:
    times = os.times()
    machine, steal = _machine_s()
    return _Moment(
        time.monotonic(),
        server.processor_s(),
        times.children_user + times.children_system,
        times.user + times.system,
        machine,
        steal,
    )


def _machine_s() -> tuple[float, float]:
    """Seconds of all cores in user, nice and system together; and stolen."""
    user, nice, system, _, _, _, _, steal = (
        int(word) / TICKS_PER_S for word in Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return user + nice + system, steal
