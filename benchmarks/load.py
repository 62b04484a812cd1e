"""Load on one URL from a number of connections: `wrk` where it is installed, else a generator of our own.

Ours is Python and runs out of breath near 20 000 requests a second; its figures for a fast server are figures of itself.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Target:
    """One request, repeated. `body` None is a GET."""

    port: int
    path: str
    body: str | None = None


@dataclass(frozen=True)
class Load:
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "benchmarks.load"


def put(target: Target, connections: int, seconds: float, core: int) -> Load:
    """Keep `connections` busy for `seconds`, one request at a time on each, from a process on `core`."""
    pinned = ["taskset", "--cpu-list", str(core)]
    if shutil.which("wrk"):
        return _wrk(target, connections, seconds, pinned)
    job = json.dumps({"target": asdict(target), "connections": connections, "seconds": seconds})
    ran = subprocess.run([*pinned, sys.executable, "-m", "benchmarks.load", job], capture_output=True, text=True, check=True)
    return Load(**json.loads(ran.stdout))


def _wrk(target: Target, connections: int, seconds: float, pinned: list[str]) -> Load:
    with tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder:
        command = [
            *pinned,
            "wrk",
            "--threads",
            "1",
            "--connections",
            str(connections),
            "--duration",
            f"{seconds:.0f}s",
            "--latency",
        ]
        if target.body is not None:
            script = Path(folder) / "post.lua"
            script.write_text(
                f'wrk.method = "POST"\nwrk.body = [==[{target.body}]==]\nwrk.headers["Content-Type"] = "application/json"\n'
            )
            command += ["--script", str(script)]
        ran = subprocess.run(
            [*command, f"http://127.0.0.1:{target.port}{target.path}"], capture_output=True, text=True, check=True
        )
    said = ran.stdout
    failed = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    return Load(_number(r"Requests/sec:\s+([\d.]+)", said), _percentile(50, said), _percentile(99, said), failed)


def _number(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    if not found:
        raise RuntimeError(f"wrk said something else:\n{said}")
    return float(found[1])


def _percentile(percent: int, said: str) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk said something else:\n{said}")
    return float(found[1]) * UNITS_MS[found[2]]


# --- the generator of our own -----------------------------------------------------------------------------------------------


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, until: float, latencies: list[float], closed: asyncio.Future[None]) -> None:
        self._request = request
        self._until = until
        self._latencies = latencies
        self._closed = closed
        self._received = b""
        self._sent = 0.0
        self.failed = 0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_whole():
            return
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        self.failed += not self._received.startswith(b"HTTP/1.1 2")
        if now >= self._until:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.failed += error is not None
        if not self._closed.done():
            self._closed.set_result(None)

    def _send(self) -> None:
        self._received = b""
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _is_whole(self) -> bool:
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return bool(found) and length is not None and len(body) >= int(length[1])


async def _generate(target: Target, connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    request = _request(target)
    latencies: list[float] = []
    begun = time.perf_counter()
    made = []
    for _ in range(connections):
        closed: asyncio.Future[None] = loop.create_future()
        connection = _Connection(request, begun + seconds, latencies, closed)
        await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", target.port)  # type: ignore[misc]
        made.append((connection, closed))
    await asyncio.gather(*(closed for _, closed in made))
    took = time.perf_counter() - begun
    latencies.sort()
    failed = sum(connection.failed for connection, _ in made)
    return Load(len(latencies) / took, _at(latencies, 0.5), _at(latencies, 0.99), failed)


def _at(latencies: list[float], share: float) -> float:
    return 1000 * latencies[min(len(latencies) - 1, int(len(latencies) * share))]


def _request(target: Target) -> bytes:
    if target.body is None:
        return f"GET {target.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    body = target.body.encode()
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _main() -> None:
    job = json.loads(sys.argv[1])
    load = uvloop.run(_generate(Target(**job["target"]), job["connections"], job["seconds"]))
    json.dump(asdict(load), sys.stdout)


if __name__ == "__main__":
    _main()
