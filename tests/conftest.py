"""Fixtures that every level of the tests shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from jubako.paths import shipped
from tests.serving import Server

ServerFactory = Callable[..., Server]

# How long an example takes, and how quickly examples are found, says something of the machine and nothing of the code.
hypothesis.settings.register_profile("any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped repository with its real model, served for the whole session."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with Server(shipped("model_repository"), log, {}) as running:
        yield running


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[ServerFactory]:
    """Makes servers of a test's own; all are stopped at its end."""
    servers: list[Server] = []

    def make(repository: Path, **settings: str) -> Server:
        made = Server(repository, tmp_path / f"server-{len(servers)}.log", settings)
        servers.append(made)
        return made

    yield make
    for made in servers:
        made.kill()


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Path]:
    """Writes a repository: ``repository(echo="backend: echo", ...)`` makes one version of each entry."""

    def write(**entries: str) -> Path:
        root = tmp_path / "repository"
        for name, text in entries.items():
            (root / name / "1").mkdir(parents=True, exist_ok=True)
            (root / name / "model.yaml").write_text(text)
        return root

    return write
