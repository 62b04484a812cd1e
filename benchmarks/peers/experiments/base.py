"""What every measurement is: sessions with a server, and in each some points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.peers.declaration import Peer
from benchmarks.peers.journal import Key, Value
from benchmarks.peers.loads import Generator
from benchmarks.peers.places import Places
from benchmarks.peers.requests import FrontName
from benchmarks.peers.server import Server
from benchmarks.peers.workloads import WORKLOADS, Workload


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run was asked for.

    Attributes:
        rates: Requests a second of the open loop.
        tries: How often a round may be repeated because something else kept the machine busy.
    """

    peers: tuple[Peer, ...]
    workloads: tuple[str, ...]
    fronts: tuple[FrontName, ...]
    connections: tuple[int, ...]
    rates: tuple[int, ...]
    seconds: int
    repetitions: int
    requests: int
    tries: int
    server_core: int
    load_core: int
    places: Places


@dataclass(frozen=True)
class Point:
    front: FrontName
    how: str


@dataclass(frozen=True)
class Session:
    """One life of one server."""

    experiment: Experiment
    peer: Peer
    workload: Workload
    repetition: int
    points: tuple[Point, ...]

    def key(self, point: Point) -> Key:
        return Key(self.experiment.name, self.workload.key, self.peer.name, point.front, point.how, self.repetition)


class Experiment(ABC):
    """One kind of measurement.

    Attributes:
        title: What it measures, for people.
        workloads: Which it is made with.
        floors: Whether servers that only echo take part.
        pinned: Whether the server has one core, and the load another; else both share all.
        copies: See :class:`Launch`.
        repeated: Whether it is made `repetitions` times.
        environment: More variables for the server.
    """

    name: str
    title: str
    workloads: tuple[str, ...] = tuple(WORKLOADS)
    floors = False
    pinned = True
    copies = 1
    repeated = True

    def environment(self) -> Mapping[str, str]:
        return {}

    @abstractmethod
    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        """What is measured in one session, in this order."""

    @abstractmethod
    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        """Measure it; the results by their names."""

    def sessions(self, options: Options) -> Iterator[Session]:
        """Repetition by repetition and model by model, so that what is compared is measured close together."""
        for repetition in range(1, options.repetitions + 1 if self.repeated else 2):
            for key in (key for key in self.workloads if key in options.workloads):
                for peer in options.peers:
                    if key in peer.workloads and (self.floors or peer.role != "floor"):
                        yield Session(self, peer, WORKLOADS[key], repetition, tuple(self.points(peer, options)))

    def cores(self, options: Options) -> set[int] | None:
        return {options.server_core} if self.pinned else None

    def generator(self, server: Server, front: FrontName, options: Options) -> Generator:
        return Generator(
            front,
            server.request(front),
            server.port(front),
            options.load_core if self.pinned else None,
            options.places.poisson,
            len(server.ask(front)) if front == "grpc" else 0,
        )


def fronts(peer: Peer, options: Options) -> list[FrontName]:
    return [front for front in options.fronts if front in peer.fronts]
