"""Where things lie: what comes with the benchmark, and what installing it makes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
GENERATORS = HERE / "generators"
REPOSITORY = HERE / "repository"
WEIGHTS = REPOSITORY / "mlp" / "1" / "model.pt"

CACHE_VARIABLE = "JUBAKO_PEERS_CACHE"


@dataclass(frozen=True)
class Places:
    """The cache folder: an environment for each peer, compiled load generators, logs."""

    cache: Path

    def environment(self, name: str) -> Path:
        return self.cache / "environments" / name

    def python(self, environment: str) -> str:
        return self.program(environment, "python")

    def program(self, environment: str, name: str) -> str:
        return str(self.environment(environment) / "bin" / name)

    def packages(self, environment: str) -> Path:
        """Its site-packages. Environments are made with the Python version of this process."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.environment(environment) / "lib" / version / "site-packages"

    @property
    def poisson(self) -> Path:
        return self.cache / "poisson"

    @property
    def triton_backends(self) -> Path:
        return self.cache / "triton_backends"

    def log(self, name: str) -> Path:
        folder = self.cache / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


def default_cache() -> Path:
    """What JUBAKO_PEERS_CACHE says, else ``jubako-peers`` in the user's cache folder."""
    if said := os.environ.get(CACHE_VARIABLE):
        return Path(said).expanduser().absolute()
    users = os.environ.get("XDG_CACHE_HOME")
    return (Path(users) if users else Path.home() / ".cache") / "jubako-peers"
