"""How long requests take that arrive at random moments, whether or not the server keeps up."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers.declaration import Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point, fronts
from benchmarks.peers.experiments.closed_loop import WARM_UP_S, described
from benchmarks.peers.journal import Value
from benchmarks.peers.server import Server
from benchmarks.peers.usage import clean


class OpenLoop(Experiment):
    """Poisson arrivals over HTTP at given rates, at the model that takes 5 ms a call."""

    name = "open"
    title = "Poisson arrivals"
    workloads = ("W2",)

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        for front in fronts(peer, options):
            if front != "grpc":
                for rate in sorted(options.rates):
                    yield Point(front, f"{rate}/s")

    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        rate = int(point.how.removesuffix("/s"))
        generator = self.generator(server, point.front, options)
        generator.arrive(rate, WARM_UP_S)
        load, usage = clean(server, lambda: generator.arrive(rate, options.seconds), options.tries)
        return described(load, usage, options)
