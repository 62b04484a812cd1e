"""Real engines, each in its own environment: made once by `jubako env create`, and kept in the user's cache between runs.

A test asks for ``environment("vllm")``, and from then on entries with ``backend: vllm`` run in it without naming it. ``serve``
runs a server with entries of the test's own::

    @pytest.fixture(scope="module")
    def server(serve, environment, smollm2_folder):
        environment("vllm")
        return serve(tiny=f"backend: vllm\\nsource: file:{smollm2_folder}\\nengine: {{enforce_eager: true}}\\n")
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from jubako.conversion import Conversion, converted_weights
from jubako.paths import default_cache, shipped
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from tests.serving import Server

MAKE_TIMEOUT_S = 1800
PATIENCE_S = 800.0
"""Several engines that load at once take minutes where other tests run beside."""

MakeEnvironment = Callable[[str], str]
Serve = Callable[..., Server]


def jubako(*arguments: str) -> str:
    """What a command of jubako prints. Its settings are those of the servers of tests: the defaults."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
    done = subprocess.run(
        [sys.executable, "-m", "jubako", *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        timeout=MAKE_TIMEOUT_S,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def environment() -> MakeEnvironment:
    """``environment(BACKEND)`` makes its environment, or takes the one that is there, and gives its folder's path, which is a
    value of ``environment:`` too."""

    @cache
    def make(backend: str) -> str:
        return jubako("env", "create", backend)

    return make


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    """SmolLM2 135M Instruct as a GGUF file."""
    return Path(jubako("pull", "smollm2", "--repository", str(shipped("model_repository"))).split(maxsplit=1)[1])


@pytest.fixture(scope="session")
def smollm2_folder(environment: MakeEnvironment, smollm2_file: Path) -> Path:
    """The same model as a Hugging Face folder, made of that file once, and kept in the user's cache."""
    conversion = Conversion.of(smollm2_file, "smollm2", "bfloat16", Cache(default_cache()), Silent())
    assert conversion is not None
    python = str(Path(environment("transformers")) / "bin" / "python")
    return converted_weights(conversion, default_cache(), python=lambda: python, watch=lambda words, share: None)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """``serve(NAME="<text of model.yaml>", ...)`` serves a repository with these entries, each with a version 1, and gives the
    server when it is ready. All are stopped at the end of the module; `settings` are environment variables for the server."""
    servers: list[Server] = []

    def make(settings: dict[str, str] | None = None, **entries: str) -> Server:
        folder = tmp_path_factory.mktemp("engines")
        for name, text in entries.items():
            (folder / "repository" / name / "1").mkdir(parents=True)
            (folder / "repository" / name / "model.yaml").write_text(text)
        server = Server(folder / "repository", folder / "server.log", settings or {}, patience_s=PATIENCE_S)
        servers.append(server)
        return server.__enter__()

    yield make
    for server in servers:
        server.kill()
