"""Whether a server is as fast after a burst as before it."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers.declaration import Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point
from benchmarks.peers.experiments.closed_loop import WARM_UP_S
from benchmarks.peers.journal import Value
from benchmarks.peers.server import Server

STEPS = {"before": 1, "burst": 32, "after": 1}


class Burst(Experiment):
    """The same server with 1, 32, then 1 connections."""

    name = "burst"
    title = "The same server before, in and after a burst"
    workloads = ("W1", "W2")

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        if "http" in peer.fronts:
            yield Point("http", "1-32-1")

    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        generator = self.generator(server, point.front, options)
        generator.keep_busy(1, WARM_UP_S)
        loads = {step: generator.keep_busy(connections, options.seconds) for step, connections in STEPS.items()}
        return {
            **{f"{step}_requests_per_s": load.requests_per_s for step, load in loads.items()},
            **{f"{step}_p99_ms": load.p99_ms for step, load in loads.items()},
            "failed": sum(load.failed for load in loads.values()),
            "seconds": options.seconds,
        }
