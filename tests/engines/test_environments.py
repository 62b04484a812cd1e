"""The environments that the other tests of engines run in."""

from __future__ import annotations

import pytest

from tests.engines.conftest import MakeEnvironment, jubako


@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_an_engine_can_be_imported_in_its_environment(environment: MakeEnvironment, backend: str) -> None:
    name = environment(backend).rpartition("/")[2]
    assert jubako("env", "check", name).startswith(f"{name}  ok")
