"""Whether a server grows with the number of requests it has answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import psutil

from benchmarks.peers.declaration import Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point, fronts
from benchmarks.peers.journal import Value
from benchmarks.peers.server import Server

CONNECTIONS = 32
WARM_UP_PART = 10


@dataclass(frozen=True)
class Holding:
    """What all processes together hold."""

    rss_mib: float
    pss_mib: float
    descriptors: int
    threads: int
    processes: int


class Endurance(Experiment):
    """100 000 requests, after a tenth of it to warm up."""

    name = "endurance"
    title = "What all processes hold before and after many requests"
    workloads = ("W0",)
    repeated = False

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        for front in fronts(peer, options):
            yield Point(front, str(options.requests))

    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        generator = self.generator(server, point.front, options)
        generator.send(max(CONNECTIONS, options.requests // WARM_UP_PART), CONNECTIONS)
        before = _holding(server)
        load = generator.send(options.requests, CONNECTIONS)
        after = _holding(server)
        return {"before": asdict(before), "after": asdict(after), "requests": load.requests, "failed": load.failed}


def _holding(server: Server) -> Holding:
    rss = pss = 0.0
    descriptors = threads = count = 0
    for process in server.processes():
        try:
            used = process.memory_full_info()
            descriptors += process.num_fds()
            threads += process.num_threads()
        except psutil.Error:
            continue
        rss, pss, count = rss + used.rss / 2**20, pss + used.pss / 2**20, count + 1
    return Holding(round(rss, 1), round(pss, 1), descriptors, threads, count)
