"""The load generators: wrk and poisson for HTTP, h2load for gRPC and for exact numbers of requests.

wrk accounts for coordinated omission, h2load does not: compare 99th percentiles of HTTP with those of HTTP only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.places import GENERATORS
from benchmarks.peers.requests import FrontName, Request

GRACE_S = 60
STREAMS = 8
"""Of gRPC on one connection, as clients do; so 32 at once are 4 connections."""

GRPC_HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


@dataclass(frozen=True)
class Load:
    """What a generator saw. `late` counts requests that the generator itself sent more than 1 ms late."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: int
    late: int = 0


@dataclass(frozen=True)
class Generator:
    """Load on one port of this machine, from one core.

    Attributes:
        answer_bytes: The size of a good answer over gRPC. h2load knows no gRPC status: an answer without data has failed.
    """

    front: FrontName
    request: Request
    port: int
    core: int | None
    poisson: Path
    answer_bytes: int = 0

    def keep_busy(self, connections: int, seconds: int) -> Load:
        """`connections` requests at once for so long, each followed by the next."""
        return self._h2load_for(connections, seconds) if self.front == "grpc" else self._wrk(connections, seconds)

    def arrive(self, rate: int, seconds: int) -> Load:
        """`rate` requests a second at random moments, whether or not the ones before are answered. HTTP only."""
        with self._body() as body:
            headers = [f"{name}: {value}" for name, value in self.request.headers.items()]
            words = [str(self.poisson), str(self.port), self.request.path, str(body), str(rate), str(seconds), *headers]
            return _from_json(self._run(words, seconds))

    def send(self, count: int, connections: int) -> Load:
        """Exactly `count` requests."""
        with self._body() as body, tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            words = [*self._h2load(connections, body, log), f"--requests={count}", self._url()]
            return self._read_h2load(self._run(words, count // 50), log)

    def _wrk(self, connections: int, seconds: int) -> Load:
        with self._body() as body:
            headers = ";".join(f"{name}: {value}" for name, value in self.request.headers.items())
            words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
            words += ["-s", str(GENERATORS / "report.lua"), self._url()]
            return _from_json(self._run(words, seconds, {"BODY": str(body), "HEADERS": headers}))

    def _h2load_for(self, connections: int, seconds: int) -> Load:
        with self._body() as body, tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            words = [*self._h2load(connections, body, log), f"--duration={seconds}", "--warm-up-time=1", self._url()]
            return self._read_h2load(self._run(words, seconds), log)

    def _h2load(self, connections: int, body: Path, log: Path) -> list[str]:
        words = ["h2load", "--threads=1", f"--data={body}", f"--log-file={log}"]
        if self.front == "grpc":
            apart = max(1, connections // STREAMS)
            return [*words, f"--clients={apart}", f"--max-concurrent-streams={connections // apart}", *GRPC_HEADERS]
        headers = [word for name, value in self.request.headers.items() for word in ("-H", f"{name}: {value}")]
        return [*words, "--h1", f"--clients={connections}", *headers]

    def _read_h2load(self, said: str, log: Path) -> Load:
        """Each line of its log is a request: when it began (µs), its status, how long it took (µs)."""
        answered = [line.split() for line in log.read_text().splitlines()]
        took = sorted(int(words[2]) for words in answered if words[1] == "200")
        failed = sum(words[1] != "200" for words in answered)
        counts = re.search(r"requests: (\d+) total.*?(\d+) failed, (\d+) errored, (\d+) timeout", said)
        rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", said)
        data = re.search(r"headers \(space savings[^)]*\), [\d.]+\w+ \((\d+)\) data", said)
        if not counts or not rate or not data:
            raise RuntimeError(f"h2load said something else:\n{said}")
        failed = max(failed, int(counts[2]))
        if self.front == "grpc" and self.answer_bytes:
            failed = max(failed, len(took) - round(int(data[1]) / self.answer_bytes))
        return Load(len(took), float(rate[1]), _ms(took, 0.5), _ms(took, 0.99), _ms(took, 1), failed)

    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.request.path}"

    def _run(self, words: list[str], seconds: float, environment: dict[str, str] | None = None) -> str:
        pinned = ["taskset", "--cpu-list", str(self.core)] if self.core is not None else []
        ran = subprocess.run(
            [*pinned, *words],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=seconds + GRACE_S,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{words[0]} ended with status {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    @contextmanager
    def _body(self) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(prefix="jubako-peers-") as file:
            file.write(self.request.body)
            file.flush()
            yield Path(file.name)


def _from_json(said: str) -> Load:
    line = next((line for line in said.splitlines() if line.startswith("JSON ")), None)
    if line is None:
        raise RuntimeError(f"the load generator said something else:\n{said}")
    found = json.loads(line.removeprefix("JSON "))
    return Load(
        requests=found["requests"],
        requests_per_s=found["requests_per_s"],
        p50_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
        max_ms=found["max_us"] / 1000,
        failed=found["failed"],
        late=found.get("late", 0),
    )


def _ms(took_us: list[int], part: float) -> float:
    return took_us[min(len(took_us) - 1, int(part * len(took_us)))] / 1000 if took_us else 0.0
