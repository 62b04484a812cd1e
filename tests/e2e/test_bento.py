"""The default model's bento without jubako's command: exported, imported and served where nothing is but its packages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from jubako.packaging.locks import pins
from jubako.paths import default_cache
from tests.e2e.conftest import MODEL, REPOSITORY, jubako
from tests.e2e.container import Container
from tests.e2e.machine import Machine
from tests.e2e.test_run import QUESTIONS, over_http
from tests.serving import free_port

PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory, builder: Machine) -> Path:
    """A Python with the packages that the bento's image has, and no jubako."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    uv = [sys.executable, "-m", "uv"]
    builder.run(*uv, "venv", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    builder.run(*uv, "pip", "install", "--python", python, "--no-deps", *pins("llama_cpp"))
    return python


def test_it_is_exported_imported_and_served(container: Container, clean_python: Path, builder: Machine, tmp_path: Path) -> None:
    # Without its weights, because BentoML takes a minute to compress them.
    tag = jubako(builder, "build", MODEL, "--weights", "source", "--repository", REPOSITORY)
    file = tmp_path / "smollm2.bento"
    bentoml = [str(clean_python), "-m", "bentoml"]
    home = {"BENTOML_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}
    builder.run(*bentoml, "export", tag, file, PYTHONPATH="")
    builder.run(*bentoml, "import", file, **home)
    assert tag in builder.run(*bentoml, "list", **home)
    port, grpc_port = free_port(), free_port()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
    variables |= {**home, "JUBAKO_GRPC_PORT": str(grpc_port), "JUBAKO_CACHE_DIR": str(default_cache())}
    variables |= {"BENTOML_DO_NOT_TRACK": "true", "HOME": str(tmp_path)}
    log = tmp_path / "log"
    with log.open("wb") as out:
        command = [*bentoml, "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, env=variables, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        answer = over_http(f"http://127.0.0.1:{port}/v1", QUESTIONS[0])
        assert answer == over_http(container.api, QUESTIONS[0])
    finally:
        process.terminate()
        status = process.wait(60)
    assert status == 0


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready within {PATIENCE_S} s:\n{log.read_text()[-4000:]}")
