"""The Python client as a package: what is committed, installed, shown to type checkers, and said in its documentation."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import jubako_client
import numpy as np
import pytest
from jubako_client import AsyncClient, AsyncStream, Client, Stream

from jubako import errors as servers
from tests.conformance.tensor_models import write_repository
from tests.serving import Server
from tests.unit.cli.command import clean_environment

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients" / "python"
SOURCES = PACKAGE / "src" / "jubako_client"
PROGRAM = Path(__file__).parent / "python_client_users" / "typed.py"
PYRIGHT = "pyright@1.1.414"


# --- what is committed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("script", "folder"), [("generate.py", SOURCES / "_protos"), ("without_async.py", SOURCES)])
def test_made_files_are_those_of_their_sources(script: str, folder: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, PACKAGE / script, tmp_path], check=True, timeout=100)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made
    assert made == {name: (folder / name).read_bytes() for name in made}, f"run python clients/python/{script}"


def test_the_errors_are_the_servers() -> None:
    ours = {name: getattr(jubako_client, name) for name in jubako_client.errors.__all__}
    theirs = {name: getattr(servers, name) for name in servers.__all__ if name != "WireError"}
    # What only HTTP has, and what never leaves the server.
    assert theirs.keys() - ours.keys() == {"MethodNotAllowed", "UnsupportedMediaType", "ConfigurationError"}
    assert ours.keys() - theirs.keys() == {"Unreachable", "Cancelled"}
    for name in ours.keys() & theirs.keys():
        kind = ours[name]
        assert kind.__base__.__name__ == theirs[name].__base__.__name__
        assert name in ("JubakoError", "ClientError", "ServerError") or kind.reason == (theirs[name].openai_code or kind.reason)


def test_the_package_shows_what_it_says_it_shows() -> None:
    shown = {name for name, value in vars(jubako_client).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert sorted(shown) == sorted(jubako_client.__all__)


# --- installed ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the client's wheel, and nothing else that it does not ask for."""
    folder = tmp_path_factory.mktemp("installed")
    constraints = ROOT / "constraints.txt"
    uv("build", "--wheel", "--build-constraints", constraints, "--out-dir", folder, PACKAGE)
    uv("venv", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--python", python, "--constraint", constraints, *folder.glob("*.whl"))
    return python


def uv(*words: str | Path) -> str:
    command = [Path(sys.executable).parent / "uv", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=clean_environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_brings_little(installed: Path) -> None:
    brought = {line.split("==")[0] for line in uv("pip", "freeze", "--python", installed).split("\n") if "==" in line}
    assert brought == {"grpcio", "numpy", "protobuf", "typing-extensions"}  # the last is grpcio's


def test_it_works_where_it_is_installed(installed: Path, echo_server: Server, tmp_path: Path) -> None:
    command = [str(installed), str(PROGRAM), f"127.0.0.1:{echo_server.grpc_port}"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=False, cwd=tmp_path, env=clean_environment()
    )
    assert (done.returncode, done.stdout) == (0, "ModelNotFound model_not_found\n"), done.stderr


def test_mypy_finds_nothing_in_its_users(installed: Path, tmp_path: Path) -> None:
    shutil.copy(PROGRAM, tmp_path)
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        str(installed),
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    done = subprocess.run([*mypy, PROGRAM.name], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("npx") is None, reason="pyright is a package of npm")
def test_pyright_finds_nothing_in_its_users(installed: Path, tmp_path: Path) -> None:
    # What must be found is marked for mypy, in whose words pyright does not speak.
    text = re.sub(r"# type: ignore\[.*\]", "# pyright: ignore", PROGRAM.read_text())
    (tmp_path / PROGRAM.name).write_text("# pyright: strict, reportUnnecessaryTypeIgnoreComment=true\n" + text)
    command = ["npx", "--yes", PYRIGHT, "--pythonpath", str(installed), PROGRAM.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors" in done.stdout


# --- documentation --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examples_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the models that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    root = write_repository(folder / "repository")
    for name in ("smollm2", "minilm", "length", "language"):
        (root / name / "1").mkdir(parents=True)
        (root / name / "model.yaml").write_text("backend: echo\n")
    (root / "double" / "1").mkdir(parents=True)
    (root / "double" / "model.yaml").write_text(
        "backend: python\n"
        "inputs: [{name: x, datatype: FP32, shape: [-1, -1]}]\n"
        "outputs: [{name: y, datatype: FP32, shape: [-1, -1]}]\n"
    )
    (root / "double" / "1" / "model.py").write_text("class Model:\n    def infer(self, x):\n        return {'y': x * 2}\n")
    with Server(root, folder / "server.log", {}) as running:
        yield running


def examples(kind: type) -> list[tuple[str, str]]:
    """The names and the code of what the docstrings of a class show."""
    shown = {kind.__name__: kind, **{f"{kind.__name__}.{name}": vars(kind)[name] for name in public_methods(kind)}}
    return [(name, code) for name, each in shown.items() for code in code_of(inspect.getdoc(each) or "")]


def public_methods(kind: type) -> list[str]:
    return [name for name, value in vars(kind).items() if inspect.isfunction(value) and not name.startswith("_")]


def code_of(docstring: str) -> list[str]:
    return [textwrap.dedent(found) for found in re.findall(r"(?<=::\n\n)((?: {4}.*\n?|\n)+)", docstring)]


def addressed(code: str, server: Server) -> str:
    return code.replace("127.0.0.1:50051", f"127.0.0.1:{server.grpc_port}")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_method_has_an_example(kind: type) -> None:
    shown = {name.rpartition(".")[2] for name, _ in examples(kind)}
    assert set(public_methods(kind)) - shown == {"close"}


@pytest.mark.parametrize(("name", "code"), [*examples(Client), *examples(Stream)], ids=lambda value: value.split("\n")[0])
def test_an_example_with_threads(name: str, code: str, examples_server: Server) -> None:
    with Client(f"127.0.0.1:{examples_server.grpc_port}") as client:
        exec(addressed(code, examples_server), {"client": client, "Client": Client, "np": np})


@pytest.mark.parametrize(
    ("name", "code"), [*examples(AsyncClient), *examples(AsyncStream)], ids=lambda value: value.split("\n")[0]
)
async def test_an_example_without_threads(name: str, code: str, examples_server: Server) -> None:
    compiled = compile(addressed(code, examples_server), name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with AsyncClient(f"127.0.0.1:{examples_server.grpc_port}") as client:
        await eval(compiled, {"client": client, "AsyncClient": AsyncClient, "np": np})


def test_the_two_clients_are_told_of_alike() -> None:
    assert public_methods(Client) == public_methods(AsyncClient)
    for name in public_methods(Client):
        one, other = vars(Client)[name], vars(AsyncClient)[name]
        assert inspect.signature(one).parameters == inspect.signature(other).parameters
        assert inspect.getdoc(one) == re.sub(r"\b(await|async) ", "", inspect.getdoc(other) or "")
