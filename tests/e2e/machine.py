"""A machine that builds or runs containers: a store of its own, and settings that nothing outside its folder knows of.

What makes containers work on this computer (the bundle of certificates, limits, the runtime) is written into the folder when a
test begins. Nothing of it is in the project, and nothing of it may get into an image.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("buildah", "podman", "skopeo", "runc", "docker-registry", "mmdebstrap")

MISSING = [program for program in PROGRAMS if shutil.which(program) is None]
WHY_NOT = (
    f"{', '.join(MISSING)} not installed; `make test-containers` says what to install" if MISSING else "containers need root"
)

needs_containers = pytest.mark.skipif(bool(MISSING) or os.geteuid() != 0, reason=WHY_NOT)

CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
"""What this machine trusts. Packages are installed inside of builds, which must trust the same."""

PATIENCE_S = 900.0


class Machine:
    """Programs that see this store and these settings only.

    Args:
        registry: The address of the registry that stands for Docker Hub too.
        durations: Takes the seconds of each step.
        builds: Whether what runs inside of builds sees this machine's certificates.
    """

    def __init__(self, folder: Path, registry: str, durations: dict[str, float], *, builds: bool) -> None:
        self.folder = folder
        self.durations = durations
        folder.mkdir(parents=True)
        _, nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
        certificates = f'volumes = ["{CERTIFICATES}:/etc/ssl/certs/ca-certificates.crt:ro"]' if builds else ""
        self._write(
            "containers.conf",
            f"""
            [containers]
            default_ulimits = ["nofile=1024:{nofile if nofile != resource.RLIM_INFINITY else 1048576}", "nproc=32768:32768"]
            netns = "host"
            {certificates}
            [engine]
            runtime = "runc"
            cgroup_manager = "cgroupfs"
            events_logger = "file"
            """,
        )
        self._write(
            "storage.conf",
            f"""
            [storage]
            driver = "overlay"
            graphroot = "{folder}/graph"
            runroot = "{folder}/run"
            """,
        )
        self._write(
            "registries.conf",
            f"""
            unqualified-search-registries = ["docker.io"]
            [[registry]]
            prefix = "docker.io"
            location = "{registry}"
            insecure = true
            [[registry]]
            location = "{registry}"
            insecure = true
            """,
        )
        (folder / "tmp").mkdir()
        self.environment = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "true",
            "DOCKER_BUILDKIT": "1",  # keeps cache mounts out of the image
            "TMPDIR": str(folder / "tmp"),
        }

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text("".join(f"{line.strip()}\n" for line in text.splitlines()))

    @contextmanager
    def lap(self, step: str) -> Iterator[None]:
        """Measure what is done within."""
        begun = time.monotonic()
        yield
        self.durations[step] = time.monotonic() - begun

    def run(self, *command: str | Path, **variables: str) -> str:
        """Run it here, and return what it prints."""
        words = [str(word) for word in command]
        ran = self.try_to_run(words, **variables)
        assert ran.returncode == 0, f"{' '.join(words)}: status {ran.returncode}\n{ran.stdout[-6000:]}\n{ran.stderr[-6000:]}"
        return ran.stdout.strip()

    def try_to_run(self, command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it here, whatever comes of it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
        return subprocess.run(
            command,
            env={**inherited, **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def inspect(self, image: str) -> dict[str, Any]:
        """What podman knows of an image."""
        [found] = json.loads(self.run("podman", "image", "inspect", image))
        return dict(found)

    def clean_up(self) -> None:
        """Remove every container and image, which a plain removal of the folder could not."""
        self.try_to_run(["podman", "rm", "--force", "--all", "--time", "1"])
        self.try_to_run(["podman", "rmi", "--force", "--all"])
