"""Fixtures of the tests with real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.runner_process import MakeRunner, Runner
from tests.integration.runner_serving import LONG_S
from tests.serving import Server


@pytest.fixture
def make_runner(repository: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRunner]:
    """Makes runners over a repository of the test's own; all are killed at its end."""
    runners: list[Runner] = []
    # Not the system's: any runner of this machine clears up there what a killed one has left.
    temporary = tmp_path_factory.mktemp("t")

    def make(grace_period_s: float = LONG_S, **entries: str) -> Runner:
        runners.append(Runner(repository(**entries), tmp_path_factory.mktemp("r"), temporary, grace_period_s))
        return runners[-1]

    yield make
    for runner in runners:
        runner.process.kill()
        runner.process.wait()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The models of Python code and the ensembles of `tests/models/`, served."""
    with Server(Path(__file__).parents[1] / "models", tmp_path_factory.mktemp("models") / "server.log", {}) as running:
        yield running
