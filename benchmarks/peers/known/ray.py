"""Ray Serve."""

from __future__ import annotations

from benchmarks.peers.declaration import Command, Environment, Launch, Peer
from benchmarks.peers.places import PROGRAMS
from benchmarks.peers.requests import plain_json

ENVIRONMENT = Environment("ray", ("ray[serve]==2.60.0", "numpy"), versions_of=("ray", "torch"))


def _command(launch: Launch) -> Command:
    program = str(PROGRAMS / "ray_server.py")
    arguments = [launch.workload.model, str(launch.http_port), str(launch.copies)]
    words = [launch.places.python(ENVIRONMENT.name), program, *arguments]
    return Command(words, {"RAY_USAGE_STATS_ENABLED": "0"}, launch.folder)


RAY = Peer(
    name="ray",
    setup="batch_wait_timeout 2 ms",
    command=_command,
    fronts={"http": plain_json("input")},
    environment=ENVIRONMENT,
    by_default=False,
)
