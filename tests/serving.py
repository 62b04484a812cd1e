"""A real server for tests: `jubako serve` in a process group of its own, on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

PATIENCE_S = 280.0
"""Less than pytest's own patience, which would not show the server's log."""

_HELD: list[socket.socket] = []


def free_port() -> int:
    """A port on which nobody listens, and which is nobody else's until this process ends."""
    _HELD.append(hold_port())
    return port_of(_HELD[-1])


def hold_port() -> socket.socket:
    """A socket that has a free port and does not listen. While it is open the kernel gives the port neither to those who ask for
    any nor to outgoing connections, and lets whoever names it listen there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def port_of(held: socket.socket) -> int:
    port: int = held.getsockname()[1]
    return port


@dataclass
class Server:
    """One `jubako serve`. Use as a context manager: it is stopped, and all that it started with it, on leaving.

    Attributes:
        patience_s: Longest wait for whatever is waited for.
    """

    repository: Path
    log: Path
    settings: dict[str, str]
    port: int = 0
    grpc_port: int = 0
    patience_s: float = PATIENCE_S
    process: subprocess.Popen[bytes] | None = None
    _held: list[socket.socket] = field(default_factory=list, repr=False)

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
        try:
            self.wait_until(lambda: httpx.get(f"{self.url}/readyz").status_code == 200)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Once more on the same ports, if it ran before."""
        self.port, self.grpc_port = self.port or self._hold(), self.grpc_port or self._hold()
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

    def wait_until(self, condition: object, timeout_s: float | None = None) -> None:
        """Wait until `condition()` is true; refused connections count as not yet. Fails early if the server has exited."""
        assert callable(condition)
        assert self.process is not None
        deadline = time.monotonic() + (timeout_s or self.patience_s)
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not within {timeout_s or self.patience_s} s:\n{self.log.read_text()[-8000:]}")

    def terminate(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def tree(self) -> list[psutil.Process]:
        """All processes of the server: arbiter, gateways, runner, instances."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    @property
    def instances(self) -> list[psutil.Process]:
        return [child for runner in self.runners for child in _children(runner) if "jubako.runner.instance" in words_of(child)]

    @property
    def runners(self) -> list[psutil.Process]:
        return self._services("runner")

    @property
    def gateways(self) -> list[psutil.Process]:
        return self._services("gateway")

    def _services(self, name: str) -> list[psutil.Process]:
        """Children of the arbiter only: what a service has forked looks like it until it runs its own program."""
        children = _children(psutil.Process(self.pid))
        return [child for child in children if {"_bentoml_impl.worker.service", name} <= set(words_of(child))]

    def _hold(self) -> int:
        self._held.append(hold_port())
        return port_of(self._held[-1])

    def kill(self) -> None:
        for held in self._held:
            held.close()
        self._held.clear()
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


def _children(process: psutil.Process) -> list[psutil.Process]:
    """None if it has just ended."""
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def words_of(process: psutil.Process) -> list[str]:
    """Of its command line; none if it has just ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
