"""NVIDIA Triton, the server in the wheel of pytriton, started by itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.peers.declaration import V2_FRONTS, Command, Environment, Launch, Peer
from benchmarks.peers.places import PROGRAMS
from benchmarks.peers.workloads import Workload

ENVIRONMENT = Environment("triton", ("nvidia-pytriton==0.7.0", "numpy<2"), versions_of=("nvidia-pytriton", "torch"))

CONFIG = """\
name: "{model}"
backend: "python"
max_batch_size: {max_batch_size}
input [{{ name: "INPUT0" data_type: TYPE_FP32 dims: [{input}] }}]
output [{{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [{output}] }}]
instance_group [{{ kind: KIND_CPU count: {copies} }}]
"""
PROGRAM_FILES = {
    "triton_model.py": "model.py",
    "workload_models.py": "workload_models.py",
    "workload_mlp.py": "workload_mlp.py",
}
BATCHING = "dynamic_batching { max_queue_delay_microseconds: 0 }\n"


def _command(launch: Launch) -> Command:
    packages = launch.places.packages(ENVIRONMENT.name)
    path = Path(launch.places.python(ENVIRONMENT.name)).parent
    words = [str(packages / "pytriton" / "tritonserver" / "bin" / "tritonserver")]
    words += [f"--model-repository={_repository(launch)}", f"--backend-directory={launch.places.triton_backends}"]
    words += ["--http-address=127.0.0.1", f"--http-port={launch.http_port}"]
    words += ["--grpc-address=127.0.0.1", f"--grpc-port={launch.grpc_port}"]
    words += ["--metrics-address=127.0.0.1", f"--metrics-port={launch.other_port}", "--log-verbose=0"]
    return Command(
        words,
        {
            "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
            "PYTHONPATH": str(packages),
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        },
    )


def _repository(launch: Launch) -> Path:
    repository = launch.folder / "repository"
    version = repository / launch.workload.model / "1"
    version.mkdir(parents=True)
    # Beside the model's own file is where the backend looks for modules.
    for program, name in PROGRAM_FILES.items():
        shutil.copyfile(PROGRAMS / program, version / name)
    (version.parent / "config.pbtxt").write_text(_config(launch.workload, launch.copies))
    return repository


def _config(workload: Workload, copies: int) -> str:
    if workload.model == "echo":
        return CONFIG.format(model="echo", max_batch_size=0, input="-1, 16", output="-1, 16", copies=copies)
    return CONFIG.format(model=workload.model, max_batch_size=32, input=workload.width, output=16, copies=copies) + BATCHING


TRITON = Peer(
    name="triton",
    setup="python backend, dynamic batching without a delay",
    command=_command,
    fronts=V2_FRONTS,
    environment=ENVIRONMENT,
    shared_memory=True,
)
