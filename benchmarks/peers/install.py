"""Installs what the benchmark needs: an environment for each peer, the load generators, the weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.peers.declaration import TORCH, Environment, Peer
from benchmarks.peers.known.triton import ENVIRONMENT as TRITON_ENVIRONMENT
from benchmarks.peers.places import GENERATORS, PROGRAMS, WEIGHTS, Places

TOOLS = {"wrk": "wrk", "h2load": "nghttp2-client", "g++": "g++", "taskset": "util-linux"}
"""Programs, and the packages of Debian that bring them."""

MARK = "installed.json"


class InstallError(Exception):
    """Something could not be installed; the message says what, and what to do."""


def install(peers: Iterable[Peer], places: Places, console: Console) -> None:
    """Make whatever is missing. What is there already is left as it is.

    Raises:
        InstallError: a step failed.
    """
    environments = {peer.environment.name: peer.environment for peer in peers if peer.environment}
    _check_tools()
    _step(console, "load generator for Poisson arrivals", places.poisson.exists(), lambda: _compile(places))
    _step(console, "weights of the MLP", WEIGHTS.exists(), _make_weights)
    for environment in environments.values():
        _step(
            console,
            f"environment {environment.name}: {', '.join(environment.requirements)}",
            is_installed(environment, places),
            lambda environment=environment: _install(environment, places),  # type: ignore[misc]  # bound now, not later
        )


def is_installed(environment: Environment, places: Places) -> bool:
    mark = places.environment(environment.name) / MARK
    return mark.exists() and json.loads(mark.read_text()) == _wanted(environment)


def missing(peers: Iterable[Peer], places: Places) -> list[str]:
    """What a run of `peers` would lack, in words."""
    lacking = [f"the program {tool}" for tool in TOOLS if tool != "g++" and not shutil.which(tool)]
    lacking += [] if places.poisson.exists() else ["the load generator"]
    lacking += [] if WEIGHTS.exists() else ["the weights"]
    environments = {peer.environment.name: peer.environment for peer in peers if peer.environment}
    return lacking + [f"the environment {name}" for name, each in environments.items() if not is_installed(each, places)]


def _step(console: Console, what: str, is_done: bool, work: Callable[[], None]) -> None:
    what = escape(what)
    if is_done:
        console.print(f"[green]✓[/] {what} [dim](there already)[/]", highlight=False)
        return
    with console.status(what):
        work()
    console.print(f"[green]✓[/] {what}", highlight=False)


def _check_tools() -> None:
    if lacking := [package for tool, package in TOOLS.items() if not shutil.which(tool)]:
        raise InstallError(f"Some programs are missing. On Debian or Ubuntu: apt install {' '.join(lacking)}")


def _compile(places: Places) -> None:
    places.cache.mkdir(parents=True, exist_ok=True)
    source = str(GENERATORS / "poisson.cpp")
    _run(["g++", "-O2", "-std=c++17", "-o", str(places.poisson), source], places.log("install-poisson"))


def _make_weights() -> None:
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(PROGRAMS / "workload_mlp.py"), str(WEIGHTS)], check=True)


def _install(environment: Environment, places: Places) -> None:
    folder = places.environment(environment.name)
    python = places.python(environment.name)
    log = places.log(f"install-{environment.name}")
    shutil.rmtree(folder, ignore_errors=True)
    _run([*_uv(), "venv", "--quiet", "--python", sys.executable, str(folder)], log)
    if environment.torch:
        _run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", TORCH], log)
    requirements = [*environment.requirements, *([TORCH] if environment.torch else [])]
    _run([*_uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *requirements], log)
    if environment == TRITON_ENVIRONMENT:
        _lay_out_triton_backend(places)
    (folder / MARK).write_text(json.dumps(_wanted(environment)))


def _lay_out_triton_backend(places: Places) -> None:
    """Triton wants the Python backend and the stub for this Python version in one folder."""
    server = places.packages(TRITON_ENVIRONMENT.name) / "pytriton" / "tritonserver"
    backend = places.triton_backends / "python"
    shutil.copytree(server / "backends" / "python", backend, dirs_exist_ok=True)
    stub = backend / "triton_python_backend_stub"
    shutil.copy(server / "python_backend_stubs" / sysconfig.get_python_version() / stub.name, stub)
    stub.chmod(0o755)


def _wanted(environment: Environment) -> list[str]:
    return [sys.version.split()[0], *environment.requirements, *([TORCH] if environment.torch else [])]


def _uv() -> list[str]:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise InstallError("uv is missing. Run `make install`, or pip install uv.")
    return [found]


def _run(words: list[str], log: Path) -> None:
    with log.open("ab") as file:
        status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=_finding(os.environ), check=False)
    if status.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise InstallError(f"This failed: {' '.join(words)}\n{last}\nThe whole log is {log}.")


def _finding(environment: Mapping[str, str]) -> dict[str, str]:
    """uv finds wheels on this disk where pip does."""
    found = {"UV_FIND_LINKS": environment["PIP_FIND_LINKS"]} if "PIP_FIND_LINKS" in environment else {}
    return found | dict(environment)
