"""LitServe."""

from __future__ import annotations

from benchmarks.peers.declaration import Command, Environment, Launch, Peer
from benchmarks.peers.places import PROGRAMS
from benchmarks.peers.requests import plain_json

ENVIRONMENT = Environment("litserve", ("litserve==0.2.19", "numpy"), versions_of=("litserve", "uvicorn", "torch"))


def _command(launch: Launch) -> Command:
    program = str(PROGRAMS / "litserve_server.py")
    arguments = [launch.workload.model, str(launch.http_port), str(launch.copies)]
    return Command([launch.places.python(ENVIRONMENT.name), program, *arguments], folder=launch.folder)


LITSERVE = Peer(
    name="litserve",
    setup="batch_timeout 1 ms, fast_queue",
    command=_command,
    fronts={"http": plain_json("input")},
    environment=ENVIRONMENT,
)
