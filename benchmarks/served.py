"""A real `jubako serve` to measure."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PATIENCE_S = 180.0
ASK_AGAIN_S = 0.005


@dataclass(frozen=True)
class Memory:
    """One process, in MiB: `rss` counts what it shares with others whole, `pss` its part of it."""

    name: str
    rss: float
    pss: float


class Served:
    """A running server, on a port of its own, with the log in a file.

    Attributes:
        ready_s: Seconds from starting the command to the first 200 of /readyz.
    """

    def __init__(self, repository: Path, log: Path, cores: set[int] | None, *flags: str, patience_s: float = PATIENCE_S) -> None:
        self.port = free_port()
        self._log = log
        command = [sys.executable, "-m", "jubako", "serve", str(repository), "--port", str(self.port), "--grpc-port", "0", *flags]
        if cores:
            command = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
        begun = time.monotonic()
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
        try:
            self._wait_until_ready(patience_s)
        except BaseException:
            self.stop()
            raise
        self.ready_s = time.monotonic() - begun

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def post(self, path: str, body: bytes) -> bytes:
        """The body that answers a POST of JSON, whatever its status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", path, body, {"content-type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Every process of the server stands still meanwhile, so that whatever else is measured has the machine to itself."""
        processes = self.processes()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(processes):
                process.resume()

    def processes(self) -> list[psutil.Process]:
        """All of them, outermost first."""
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def memory(self) -> list[Memory]:
        """Of each process, outermost first."""
        return [_memory(process) for process in self.processes()]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with status {self._process.returncode}:\n{self._log.read_text()}")
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(ASK_AGAIN_S)
        raise RuntimeError(f"the server was not ready within {patience_s} s:\n{self._log.read_text()}")


@contextmanager
def serving(repository: Path, *flags: str, cores: set[int] | None = None, patience_s: float = PATIENCE_S) -> Iterator[Served]:
    """A server of `repository`, ready within `patience_s` seconds; confined to `cores` if given."""
    with tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder:
        served = Served(repository, Path(folder) / "server.log", cores, *flags, patience_s=patience_s)
        try:
            yield served
        finally:
            served.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def name_of(process: psutil.Process) -> str:
    """What a process of a server is: jubako serve, gateway, runner or instance."""
    words = process.cmdline()
    if "jubako.runner.instance" in words:
        return "instance"
    if "--service-name" in words:
        return words[words.index("--service-name") + 1]
    return "jubako serve"


def _memory(process: psutil.Process) -> Memory:
    used = process.memory_full_info()
    return Memory(name_of(process), used.rss / 2**20, used.pss / 2**20)
