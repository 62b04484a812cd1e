"""Fixtures of the tests with real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.runner_process import MakeRunner, Runner
from tests.integration.runner_serving import LONG_S


@pytest.fixture
def make_runner(repository: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRunner]:
    """Makes runners over a repository of the test's own; all are killed at its end."""
    runners: list[Runner] = []

    def make(grace_period_s: float = LONG_S, **entries: str) -> Runner:
        runners.append(Runner(repository(**entries), tmp_path_factory.mktemp("r"), grace_period_s))
        return runners[-1]

    yield make
    for runner in runners:
        runner.process.kill()
        runner.process.wait()
