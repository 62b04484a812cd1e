"""The round trip of a small call over one connection, beside that to a bare `grpc.aio` echo."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
import numpy as np

from benchmarks.served import free_port, serving
from jubako.protos import inference as kserve
from jubako.protos import jubako_v1 as v1

PATIENCE_S = 30.0

ECHO = "backend: echo\n"
IDENTITY = """\
backend: python
inputs: [{name: x, datatype: FP32, shape: [16]}]
outputs: [{name: y, datatype: FP32, shape: [16]}]
"""
IDENTITY_CODE = """\
class Model:
    def infer(self, x):
        return {"y": x}
"""


@dataclass(frozen=True)
class RoundTrip:
    """Medians over the rounds, in microseconds; `ratio` is the median over pairs of neighbouring rounds.

    Attributes:
        us: Of the call to jubako.
        bare_us: Of the same bytes to the bare echo.
    """

    method: str
    us: float
    bare_us: float
    ratio: float


def measure(rounds: int, calls: int) -> list[RoundTrip]:
    """Of each method so many rounds of so many calls, in turn with the same calls to the bare echo.

    Nothing has a core of its own: with one call at a time most of the machine is idle.
    """
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder,
        serving(_repository(Path(folder)), "--no-access-log", "--grpc-port", str(port)),
        bare_echo() as bare_port,
        grpc.insecure_channel(f"127.0.0.1:{port}") as served,
        grpc.insecure_channel(f"127.0.0.1:{bare_port}") as bare,
    ):
        grpc.channel_ready_future(bare).result(PATIENCE_S)
        trips = []
        for path, message in _requests().items():
            # Bytes on both sides: what parsing costs the client is not the server's.
            ours, theirs = (channel.unary_unary(path, bytes, bytes) for channel in (served, bare))
            pairs = [(_round(ours, message, calls), _round(theirs, message, calls)) for _ in range(rounds + 1)]
            trips.append(_medians(path.rpartition("/")[2], pairs[1:]))  # the first warms up
        return trips


@contextmanager
def bare_echo() -> Iterator[int]:
    """The port of a bare echo in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.grpc.bare_echo", str(port)]
    with subprocess.Popen(command) as process:
        try:
            yield port
        finally:
            process.terminate()


def _medians(method: str, pairs: list[tuple[float, float]]) -> RoundTrip:
    return RoundTrip(
        method=method,
        us=median(us for us, _ in pairs),
        bare_us=median(bare_us for _, bare_us in pairs),
        ratio=median(us / bare_us for us, bare_us in pairs),
    )


def _round(call: Callable[[bytes], bytes], message: bytes, calls: int) -> float:
    """The median round trip in microseconds."""
    taken = []
    for _ in range(calls):
        begun = time.perf_counter()
        call(message)
        taken.append(time.perf_counter() - begun)
    return 1e6 * median(taken)


def _requests() -> dict[str, bytes]:
    infer = kserve.ModelInferRequest(model_name="identity", raw_input_contents=[np.ones(16, np.float32).tobytes()])
    infer.inputs.add(name="x", datatype="FP32", shape=[16])
    asked = v1.Message(role=v1.ROLE_USER, content=[v1.ContentPart(text="hello")])
    return {
        "/jubako.v1.ModelService/ListModels": v1.ListModelsRequest().SerializeToString(),
        "/inference.GRPCInferenceService/ModelInfer": infer.SerializeToString(),
        "/jubako.v1.EmbeddingService/Embed": v1.EmbedRequest(model="echo", inputs=[v1.Prompt(text="a text")]).SerializeToString(),
        "/jubako.v1.ChatService/Complete": v1.ChatRequest(model="echo", messages=[asked]).SerializeToString(),
    }


def _repository(root: Path) -> Path:
    for name, entry in {"echo": ECHO, "identity": IDENTITY}.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "model.yaml").write_text(entry)
    (root / "identity" / "1" / "model.py").write_text(IDENTITY_CODE)
    return root
