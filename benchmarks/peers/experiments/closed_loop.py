"""Requests a second when so many connections each send a request as soon as the last is answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from benchmarks.peers.declaration import Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point, fronts
from benchmarks.peers.journal import Value
from benchmarks.peers.loads import Load
from benchmarks.peers.server import Server
from benchmarks.peers.usage import Usage, clean

WARM_UP_S = 2


class ClosedLoop(Experiment):
    """On one core for the server and one for the load, at every number of connections."""

    name = "load"
    title = "One core for the server, another for the load"
    floors = True

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        for front in fronts(peer, options):
            for connections in options.connections:
                yield Point(front, str(connections))

    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        connections = int(point.how)
        generator = self.generator(server, point.front, options)
        before = server.memory()
        generator.keep_busy(connections, WARM_UP_S)
        load, usage = clean(server, lambda: generator.keep_busy(connections, options.seconds), options.tries)
        return {
            **described(load, usage, options),
            "ready_s": round(server.ready_s, 2),
            "memory_before": asdict(before),
            "memory": asdict(server.memory()),
        }


class BothCores(ClosedLoop):
    """Two of everything that a server can have two of, on all cores, which the load shares."""

    name = "cores"
    title = "Two gateway processes, two instances, nothing pinned"
    floors = False
    pinned = False
    copies = 2

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        for front in fronts(peer, options):
            for connections in (each for each in options.connections if each >= 32):
                yield Point(front, str(connections))


def described(load: Load, usage: Usage, options: Options) -> dict[str, Value]:
    return {**asdict(load), "seconds": options.seconds, "cores": asdict(usage), "clean": usage.is_clean}
