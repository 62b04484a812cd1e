"""`jubako doctor`: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from jubako import __version__
from jubako.backends.declarations import BACKENDS
from jubako.cli.environment import engine_versions
from jubako.cli.terminal import FAILED, USAGE, out, sentences
from jubako.cli.version import version_or_none
from jubako.environments import Environments, Tenant, interpreter
from jubako.environments.recipe import choose_variant, this_machine
from jubako.environments.resolution import fitting, missing_here
from jubako.errors import ConfigurationError
from jubako.listening import held_port
from jubako.repository.cache import human_size
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.repository import Model, Repository, read_repository
from jubako.repository.selection import selected
from jubako.settings import Settings, load_settings

State = Literal["ok", "note", "wrong"]
MARKS: dict[State, tuple[str, str]] = {"ok": ("ok", "green"), "note": ("-", "yellow"), "wrong": ("wrong", "red")}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        state: ``wrong`` is what keeps the repository from being served; ``note`` is worth knowing and stops nothing.
        fix: The command that mends it, or "".
    """

    what: str
    state: State
    detail: str
    fix: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what is installed, what is missing for which backend, and how to mend it.

    Ends with status 1 if the repository that `jubako serve` would take can't be served.
    """
    with sentences(USAGE):
        settings = load_settings().settings
    try:
        repository = read_repository(settings.repository, BACKENDS)
        found = _repository(repository)
    except ConfigurationError as error:
        repository = Repository(root=settings.repository)
        found = Finding(what="repository", state="wrong", detail=error.message, fix="jubako serve REPOSITORY")
    findings = [*_software(), *_backends(repository, settings), found, _cache(settings.cache_dir), _port(settings), _gpu()]
    if as_json:
        out.print_json(json.dumps([asdict(finding) for finding in findings]))
    else:
        out.print(_table(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(FAILED)


def _software() -> Iterator[Finding]:
    yield Finding(what="python", state="ok", detail=platform.python_version())
    yield Finding(what="jubako", state="ok", detail=__version__)
    yield Finding(what="bentoml", state="ok", detail=version_or_none("bentoml") or "")


def _backends(repository: Repository, settings: Settings) -> Iterator[Finding]:
    at_start = selected(repository, settings.load)
    needed = {
        model.config.backend
        for model in repository.models.values()
        if model.name in at_start and model.config.environment is None
    }
    for backend in BACKENDS.values():
        yield _backend(backend, settings.cache_dir, needed=backend.name in needed)
    for model in repository.models.values():
        if model.config.environment is not None:
            yield _environment(model, settings.cache_dir, needed=model.name in at_start)


def _backend(backend: BackendDeclaration, cache_dir: Path, *, needed: bool) -> Finding:
    """With the environment in which its models run that name none."""
    what, wrong = f"backend {backend.name}", _wrong_if(needed)
    record = next((each for each in fitting(backend.name, Environments(cache_dir)) if each.general), None)
    if record is None and (missing := missing_here(backend.modules)):
        detail = f"{', '.join(missing)} not installed; needed for {backend.summary}"
        return Finding(what=what, state=wrong, detail=detail, fix=_creating(backend.name))
    try:
        interpreter(Tenant(model="", folder=Path(), backend=backend.name, environment=None, modules=backend.modules), cache_dir)
    except ConfigurationError as error:
        return Finding(what=what, state=wrong, detail=error.message, fix=_creating(backend.name))
    present = f"{engine_versions(record)} in {record.name}".strip() if record is not None else _present(backend)
    return Finding(what=what, state="ok", detail="; ".join(filter(None, (present, backend.summary))))


def _environment(model: Model, cache_dir: Path, *, needed: bool) -> Finding:
    """The environment that an entry names."""
    what = f"model {model.name}"
    try:
        path = interpreter(Tenant.of(model), cache_dir)
    except ConfigurationError as error:
        return Finding(what=what, state=_wrong_if(needed), detail=error.message)
    return Finding(what=what, state="ok", detail=f"runs under {path}" if path else "runs under the server's own Python")


def _creating(backend: str) -> str:
    """The command that makes an environment for it, where this machine can have one."""
    try:
        choose_variant(backend, None, this_machine())
    except ConfigurationError:
        return ""
    return f"jubako env create {backend}"


def _wrong_if(needed: bool) -> State:
    return "wrong" if needed else "note"


def _present(backend: BackendDeclaration) -> str:
    return ", ".join(f"{module} {version_or_none(module) or ''}".strip() for module in backend.modules)


def _repository(repository: Repository) -> Finding:
    root = repository.root
    models = _count(len(repository.models) + len(repository.broken), "model")
    if problems := len(repository.problems):
        detail = f"{models} in {root}; {_count(problems, 'problem')}"
        # One good model is enough to serve.
        return Finding(
            what="repository", state="note" if repository.models else "wrong", detail=detail, fix=f"jubako check {root}"
        )
    if not repository.models:
        return Finding(what="repository", state="wrong", detail=f"no model in {root}", fix="jubako serve REPOSITORY")
    return Finding(what="repository", state="ok", detail=f"{models} in {root}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _cache(folder: Path) -> Finding:
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    used, free = _used(folder), shutil.disk_usage(place).free
    return Finding(what="cache", state="ok", detail=f"{human_size(used)} in {folder}; {human_size(free)} free on its disk")


def _used(folder: Path) -> int:
    """Bytes on the disk. Others may be at work in the cache: what vanishes meanwhile is left out."""
    files: dict[tuple[int, int], int] = {}  # the cache links one file under several names; it lies on the disk once
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                state = Path(place, name).stat()
                files[state.st_dev, state.st_ino] = state.st_size
    return sum(files.values())


def _port(settings: Settings) -> Finding:
    address = f"{settings.host}:{settings.port}"
    try:
        with held_port(settings.host, settings.port):
            return Finding(what="port", state="ok", detail=f"{address} is free")
    except ConfigurationError as error:
        return Finding(what="port", state="note", detail=error.message, fix="jubako serve --port PORT")


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding(what="gpu", state="note", detail="none seen (no nvidia-smi)")
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603 - a fixed command
    except (subprocess.SubprocessError, OSError):
        return Finding(what="gpu", state="note", detail="nvidia-smi does not answer", fix="nvidia-smi")
    return Finding(what="gpu", state="ok", detail="; ".join(answer.stdout.strip().splitlines()) or "none")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "what", "found", "to mend it"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.state]
        table.add_row(Text(mark, style), finding.what, Text(finding.detail), Text(finding.fix, "bold"))
    return table
