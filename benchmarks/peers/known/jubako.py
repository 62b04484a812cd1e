"""jubako itself, from the environment that runs the benchmark."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.peers.declaration import V2_FRONTS, Command, Launch, Peer
from benchmarks.peers.places import REPOSITORY


def _command(launch: Launch) -> Command:
    words = [sys.executable, "-m", "jubako", "serve", str(_repository(launch)), "--no-access-log"]
    words += ["--port", str(launch.http_port), "--grpc-port", str(launch.grpc_port), "--workers", str(launch.copies)]
    return Command(words)


def _repository(launch: Launch) -> Path:
    """The one entry that is measured, loaded as often as asked."""
    name = launch.workload.model
    entry = launch.folder / name
    shutil.copytree(REPOSITORY / name, entry, ignore=shutil.ignore_patterns("__pycache__"))
    with (entry / "model.yaml").open("a") as config:
        config.write(f"instances: {launch.copies}\n")
    return launch.folder


JUBAKO = Peer(
    name="jubako",
    role="measured",
    setup="python backend (W0, W2), TorchScript (W1), batching as it comes",
    command=_command,
    fronts=V2_FRONTS,
    environment=None,
    shared_memory=True,
)
