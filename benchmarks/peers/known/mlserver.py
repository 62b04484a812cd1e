"""MLServer."""

from __future__ import annotations

import json

from benchmarks.peers.declaration import Command, Environment, Launch, Peer
from benchmarks.peers.places import PROGRAMS
from benchmarks.peers.requests import v2_grpc, v2_json

# Under uvloop 0.22 and later its worker ends at the start.
ENVIRONMENT = Environment("mlserver", ("mlserver==1.7.1", "uvloop<0.22"), versions_of=("mlserver", "torch"))


def _command(launch: Launch) -> Command:
    workload = launch.workload
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": launch.http_port,
        "grpc_port": launch.grpc_port,
        "metrics_port": launch.other_port,
        "metrics_endpoint": None,
        "parallel_workers": launch.copies,
    }
    model: dict[str, object] = {
        "name": workload.model,
        "implementation": "mlserver_runtime.Runtime",
        "parameters": {"version": "1"},
        "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [-1, workload.width]}],
        "outputs": [{"name": "OUTPUT0", "datatype": "FP32", "shape": [-1, 16]}],
    }
    if workload.model != "echo":
        model |= {"max_batch_size": 32, "max_batch_time": 0.002}
    (launch.folder / "settings.json").write_text(json.dumps(settings))
    (launch.folder / "model-settings.json").write_text(json.dumps(model))
    words = [launch.places.program(ENVIRONMENT.name, "mlserver"), "start", str(launch.folder)]
    return Command(words, {"PYTHONPATH": str(PROGRAMS)}, launch.folder)


MLSERVER = Peer(
    name="mlserver",
    setup="one worker process, max_batch_time 2 ms",
    command=_command,
    fronts={"http": v2_json, "grpc": v2_grpc},
    environment=ENVIRONMENT,
)
