"""A Docker daemon of the tests' own, beside whatever this machine runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.e2e.base_image import NAME
from tests.e2e.machine import CERTIFICATES, Machine

DAEMON = shutil.which("dockerd")

needs_docker = pytest.mark.skipif(DAEMON is None, reason="dockerd is not installed; `make test-containers` says what to install")

_START_TIMEOUT_S = 120.0


class Docker:
    """``dockerd``, and a machine whose ``docker`` is its client. Use as a context manager.

    Builds and containers have this machine's network, so that nothing of its firewall is touched. A daemon can't be told that for
    builds, so the client is.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.folder = machine.folder / "docker"
        self.process: subprocess.Popen[bytes] | None = None
        machine.environment |= {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "DOCKER_HOST": f"unix://{self.folder}/socket",
            "DOCKER_CONFIG": str(self.folder / "config"),
        }

    def __enter__(self) -> Self:
        assert DAEMON is not None
        (self.folder / "bin").mkdir(parents=True)
        # The one that came with the daemon: another on the PATH may lack what it needs to build.
        client = Path(DAEMON).parents[1] / "bin" / "docker"
        script = self.folder / "bin" / "docker"
        script.write_text(f'#!/bin/sh\n[ "$1" != build ] || {{ shift; set -- build --network=host "$@"; }}\nexec {client} "$@"\n')
        script.chmod(0o755)
        places = [f"--data-root={self.folder}/data", f"--exec-root={self.folder}/run", f"--pidfile={self.folder}/pid"]
        networks = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        command = [DAEMON, "--host", self.machine.environment["DOCKER_HOST"], *places, *networks]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_until_it_answers()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(120)
        # It leaves the network that its containers shared mounted, so that nobody could remove its folder.
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = line.split()[1]
            if Path(place).is_relative_to(self.folder):
                subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(self.folder)

    def bring_base_image(self, registry: str) -> None:
        """The base image of the registry, with the certificates that package installs inside of builds must trust."""
        run = self.machine.run
        run("docker", "pull", "--quiet", f"{registry}/{NAME}")
        container = run("docker", "create", "--network=host", f"{registry}/{NAME}", "true")
        run("docker", "cp", str(CERTIFICATES.resolve()), f"{container}:/etc/ssl/certs/ca-certificates.crt")
        run("docker", "commit", container, NAME.removeprefix("library/"))
        run("docker", "rm", container)

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self.machine.try_to_run(["docker", "version"]).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text().strip().splitlines()[-1:]
                self.__exit__(None, None, None)
                pytest.skip(f"no Docker daemon can be started here: {' '.join(said)}")
            time.sleep(0.1)
