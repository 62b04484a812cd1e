"""How much memory a large tensor takes on its way through a server."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import grpc
import psutil

from benchmarks.peers.declaration import Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point, fronts
from benchmarks.peers.journal import Value
from benchmarks.peers.requests import GRPC_METHOD, Request, v2_binary_of, v2_message
from benchmarks.peers.server import BytesCall, Server
from benchmarks.peers.workloads import INPUT, OUTPUT

TENSOR_BYTES = 64 * 2**20
SHAPE = (TENSOR_BYTES // 64, 16)
REQUESTS = 3
PATIENCE_S = 60.0
LARGEST_MESSAGE = 512 * 2**20
SHARED = "shared memory"
RESET_PEAK = "5"
"""Written to /proc/PID/clear_refs: the peak of resident memory is counted from now on (man 5 proc)."""


class LargeTensors(Experiment):
    """An identity of 64 MiB, in and out. The peak of each process above what it had before, in multiples of the tensor."""

    name = "large"
    title = "Peak memory of a 64 MiB tensor, in and out, in tensors"
    workloads = ("W0",)
    repeated = False

    def environment(self) -> Mapping[str, str]:
        return {"JUBAKO_MAX_BODY_BYTES": str(LARGEST_MESSAGE)}  # by default it refuses what is this large

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        for front in fronts(peer, options):
            if front != "http":
                yield Point(front, "64 MiB")
        if peer.shared_memory and "http" in options.fronts:
            yield Point("http", SHARED)

    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        resident = {process.pid: _memory(process, "VmRSS") for process in server.processes()}
        for process in server.processes():
            Path(f"/proc/{process.pid}/clear_refs").write_text(RESET_PEAK)
        for _ in range(REQUESTS):
            _send(server, point)
        peaks = {_name(process): 0.0 for process in server.processes()}
        for process in server.processes():
            above = _memory(process, "VmHWM") - resident.get(process.pid, 0)
            peaks[_name(process)] += above / TENSOR_BYTES
        return {
            "tensor_bytes": TENSOR_BYTES,
            "requests": REQUESTS,
            "peak_tensors": {name: round(peak, 2) for name, peak in peaks.items()},
            "peak_tensors_together": round(sum(peaks.values()), 2),
        }


def _send(server: Server, point: Point) -> None:
    tensor = secrets.token_bytes(64) * (TENSOR_BYTES // 64)
    model = server.workload.model
    if point.how == SHARED:
        _send_shared(server, model, tensor)
    elif point.front == "grpc":
        options = [("grpc.max_send_message_length", LARGEST_MESSAGE), ("grpc.max_receive_message_length", LARGEST_MESSAGE)]
        with grpc.insecure_channel(f"127.0.0.1:{server.port('grpc')}", options) as channel:
            infer: BytesCall = channel.unary_unary(GRPC_METHOD)
            answer = infer(v2_message(model, SHAPE, tensor), timeout=PATIENCE_S)
            _check(tensor in answer)
    else:
        status, answer = server.post(v2_binary_of(model, SHAPE, tensor), PATIENCE_S)
        _check(status == 200 and answer.endswith(tensor), answer[:300])


def _send_shared(server: Server, model: str, tensor: bytes) -> None:
    with _region(tensor) as sent, _region(bytes(len(tensor))) as given, _registered(server, sent), _registered(server, given):
        place = {"shared_memory_byte_size": len(tensor)}
        source = {"shared_memory_region": sent.name, **place}
        target = {"shared_memory_region": given.name, **place}
        body = {
            "inputs": [{"name": INPUT, "shape": list(SHAPE), "datatype": "FP32", "parameters": source}],
            "outputs": [{"name": OUTPUT, "parameters": target}],
        }
        _post(server, f"/v2/models/{model}/infer", body)
        assert sent.buf is not None
        assert given.buf is not None
        _check(bytes(given.buf[: len(tensor)]) == tensor)


@contextmanager
def _region(content: bytes) -> Iterator[SharedMemory]:
    memory = SharedMemory(create=True, size=len(content))
    try:
        assert memory.buf is not None
        memory.buf[: len(content)] = content
        yield memory
    finally:
        memory.close()
        memory.unlink()


@contextmanager
def _registered(server: Server, memory: SharedMemory) -> Iterator[None]:
    path = f"/v2/systemsharedmemory/region/{memory.name}"
    _post(server, f"{path}/register", {"key": f"/{memory.name}", "offset": 0, "byte_size": memory.size})
    try:
        yield
    finally:
        _post(server, f"{path}/unregister", {})


def _post(server: Server, path: str, body: dict[str, object]) -> None:
    status, answer = server.post(Request(path, json.dumps(body).encode()), PATIENCE_S)
    _check(status == 200, answer[:300])


def _check(is_right: bool, answer: bytes = b"") -> None:
    if not is_right:
        raise RuntimeError(f"the server answered something else: {answer!r}")


def _memory(process: psutil.Process, field: str) -> int:
    """Bytes of a field of /proc/PID/status."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _name(process: psutil.Process) -> str:
    """What it is, in a word: the module or the program that it runs."""
    words = process.cmdline()
    if "--service-name" in words:
        return words[words.index("--service-name") + 1]
    for word in words[1:] if "python" in Path(words[0]).name else words[:1]:
        if not word.startswith("-") and word != "":
            return word.rpartition("jubako.runner.")[2] if "." in word and "/" not in word else Path(word).name
    return process.name()
