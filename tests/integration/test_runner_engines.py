"""An engine that is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from tests.integration.runner_serving import deployed, is_in, supervising, until, version_of


async def test_a_missing_engine_fails_at_once_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ModuleNotFoundError(\"No module named 'xllamacpp'\", name='xllamacpp')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with supervising(deployed("model", BACKENDS["llama_cpp"].implementation)) as supervisor:
        failed = version_of(await until(supervisor, is_in("model", "FAILED")), "model")
    assert 'jubako env create llama_cpp, or install it beside the server with: pip install "jubako[llama-cpp]"' in failed.reason
    assert failed.instances[0].restarts == 0
