"""The official clients, each talking to a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest

from tests.conformance.tensor_models import write_repository
from tests.serving import Server

# The clients check nothing of the key; a server without keys takes any.
KEY = "unused"
KSERVE = "kserve==0.21.0"


@pytest.fixture(scope="session")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the echo backend, for what needs no model."""
    folder = tmp_path_factory.mktemp("echo")
    entry = folder / "repository" / "echo"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: echo\nserved_names: [Org/Echo-1B]\n")
    with Server(folder / "repository", folder / "server.log", {}) as running:
        yield running


@pytest.fixture(scope="session")
def tensor_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of models of tensors, of all datatypes and of text."""
    folder = tmp_path_factory.mktemp("tensors")
    with Server(write_repository(folder / "repository"), folder / "server.log", {}) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.api, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.api, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def echo_client(echo_server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=echo_server.api, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def kserve_python(request: pytest.FixtureRequest) -> Path:
    """A Python that has KServe's package, in an environment that is made once and kept in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    folder = Path(cache.mkdir("environments")) / KSERVE.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        made = _uv("pip", "install", "--python", str(python), KSERVE)
        if made.returncode:
            if "error sending request" in made.stderr or "dns error" in made.stderr:
                pytest.skip(f"No package index can be reached to get {KSERVE} from.")
            pytest.fail(made.stderr)
        (folder / "complete").touch()
    return python


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, timeout=280, check=False)
