"""BentoML."""

from __future__ import annotations

from benchmarks.peers.declaration import Command, Environment, Launch, Peer
from benchmarks.peers.places import PROGRAMS
from benchmarks.peers.requests import plain_json

ENVIRONMENT = Environment("bentoml", ("bentoml==1.4.39", "numpy"), versions_of=("bentoml", "uvicorn", "torch"))


def _command(launch: Launch) -> Command:
    words = [launch.places.python(ENVIRONMENT.name), "-m", "bentoml", "serve", "bentoml_service:Peer"]
    words += ["--host", "127.0.0.1", "--port", str(launch.http_port), "--working-dir", str(PROGRAMS)]
    environment = {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(launch.folder),
        "PYTHONPATH": str(PROGRAMS),
        "MODEL": launch.workload.model,
        "COPIES": str(launch.copies),
    }
    return Command(words, environment, PROGRAMS)


BENTOML = Peer(
    name="bentoml",
    setup="one worker, adaptive batching as it comes",
    command=_command,
    fronts={"http": plain_json("x")},
    environment=ENVIRONMENT,
)
