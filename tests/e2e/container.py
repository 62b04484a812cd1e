"""One container, run as an orchestrator runs it: nobody special, nothing writable, little memory."""

from __future__ import annotations

import json
import time
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from tests.e2e.machine import Machine
from tests.serving import free_port

LOCKED_DOWN = ("--read-only", "--tmpfs=/tmp:rw", "--cap-drop=all", "--security-opt=no-new-privileges")
BOUNDS = ("--memory=1g", "--pids-limit=256")
START_TIMEOUT_S = 300.0


class Container:
    """Use as a context manager: it is removed on leaving.

    Args:
        options: More of the tool's, such as mounts.
        network: ``podman`` is one of its own, with its ports published; ``host`` is this machine's.
    """

    def __init__(
        self,
        machine: Machine,
        image: str,
        *options: str,
        network: Literal["podman", "host"] = "podman",
        tool: Literal["podman", "docker"] = "podman",
    ) -> None:
        self.machine = machine
        self.tool = tool
        self.image = image
        self.options = options
        self.network = network
        self.port, self.grpc_port = free_port(), free_port()
        self.id = ""
        self.ready_s = 0.0
        """From its start until /readyz said yes, in seconds."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The base URL for OpenAI clients."""
        return f"{self.url}/v1"

    @property
    def address(self) -> str:
        """For gRPC."""
        return f"127.0.0.1:{self.grpc_port}"

    def __enter__(self) -> Self:
        if self.network == "host":
            ports = ["--env=JUBAKO_HOST=127.0.0.1", f"--env=JUBAKO_PORT={self.port}", f"--env=JUBAKO_GRPC_PORT={self.grpc_port}"]
        else:
            ports = [f"--publish=127.0.0.1:{self.port}:3000", f"--publish=127.0.0.1:{self.grpc_port}:50051"]
        bounds = [*BOUNDS, *LOCKED_DOWN, *(["--read-only-tmpfs=false"] if self.tool == "podman" else [])]
        command = [self.tool, "run", "--detach", f"--network={self.network}", *ports, *bounds, *self.options]
        begun = time.monotonic()
        self.id = self.machine.run(*command, self.image)
        self._wait_until_ready(begun + START_TIMEOUT_S)
        self.ready_s = time.monotonic() - begun
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.machine.try_to_run([self.tool, "kill", self.id])
        self.machine.try_to_run([self.tool, "rm", "--force", self.id])

    @property
    def state(self) -> dict[str, Any]:
        """What the tool knows of its process, such as ``ExitCode``."""
        return dict(json.loads(self.machine.run(self.tool, "inspect", "--format={{json .State}}", self.id)))

    @property
    def log(self) -> str:
        ran = self.machine.try_to_run([self.tool, "logs", self.id])
        return ran.stdout + ran.stderr

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}")

    def run(self, *command: str) -> str:
        """Run it inside, and return what it prints."""
        return self.machine.run(self.tool, "exec", self.id, *command)

    def stop(self, timeout_s: int = 120) -> int:
        """SIGTERM, and SIGKILL if that was not enough; returns the exit status."""
        self.machine.run(self.tool, "stop", "-t", str(timeout_s), self.id)
        return int(self.state["ExitCode"])

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if self.state["Status"] != "running":
                raise AssertionError(f"the container exited with {self.state['ExitCode']}:\n{self.log}")
            time.sleep(0.1)
        raise AssertionError(f"not ready within {START_TIMEOUT_S} s:\n{self.log[-6000:]}")
