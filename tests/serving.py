"""A real server for tests: `jubako serve` in a process group of its own, on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil

START_TIMEOUT_S = 300.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """One `jubako serve`. Use as a context manager: it is stopped, and all that it started with it, on leaving."""

    repository: Path
    log: Path
    settings: dict[str, str]
    port: int = 0
    grpc_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The base URL for OpenAI clients."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Self:
        self.start()
        self.wait_until(lambda: httpx.get(f"{self.url}/readyz").status_code == 200)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Once more on the same ports, if it ran before."""
        self.port, self.grpc_port = self.port or free_port(), self.grpc_port or free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
        command = [sys.executable, "-m", "jubako", "serve", str(self.repository), "--port", str(self.port)]
        command += ["--grpc-port", str(self.grpc_port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**environment, **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until(self, condition: object, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until `condition()` is true; refused connections count as not yet. Fails early if the server has exited."""
        assert callable(condition)
        assert self.process is not None
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not within {timeout_s} s:\n{self.log.read_text()[-8000:]}")

    def terminate(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def tree(self) -> list[psutil.Process]:
        """All processes of the server: arbiter, gateways, runner, instances."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def find(self, fragment: str) -> list[psutil.Process]:
        """The processes whose command line contains `fragment`."""
        return [process for process in self.tree() if any(fragment in word for word in process.cmdline())]

    @property
    def instances(self) -> list[psutil.Process]:
        return self.find("jubako.runner.instance")

    @property
    def runners(self) -> list[psutil.Process]:
        return [process for process in self.find("_bentoml_impl.worker.service") if "runner" in process.cmdline()]

    @property
    def gateways(self) -> list[psutil.Process]:
        return [process for process in self.find("_bentoml_impl.worker.service") if "gateway" in process.cmdline()]

    def kill(self) -> None:
        if self.process is None:
            return
        try:
            tree = self.tree()
        except psutil.NoSuchProcess:
            tree = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(tree, timeout=10)
