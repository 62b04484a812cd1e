"""`jubako client`: packages with a typed class for each model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from jubako.cli.client import Client
from jubako.cli.terminal import FAILED, USAGE, err, out, remark, sentences
from jubako.clientgen.comparison import Comparison, Verdict, compare
from jubako.clientgen.description import Watch, describe, entries
from jubako.clientgen.package import LANGUAGES, Language, Package, read_interface, write_package
from jubako.clientgen.python.emitter import python_files
from jubako.clientgen.typescript.emitter import typescript_files
from jubako.errors import ConfigurationError
from jubako.messages import VersionStatus
from jubako.repository.problem import nearest
from jubako.routing.interface import ModelInterface
from jubako.settings import Settings, load_settings

client = typer.Typer(
    name="client",
    help="Packages with a typed class for each model.\n\nBegin with: jubako client generate --lang python --out my-models",
    no_args_is_help=True,
)

DEFAULT_NAME: Final = "jubako-models"

RepositoryArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[REPOSITORY]", show_default=False, help="The model repository. Default: the one that `serve` takes."),
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="A running server instead of a repository, such as http://127.0.0.1:3000.", show_default=False),
]


@client.command()
def generate(
    repository: RepositoryArgument = None,
    *,
    language: Annotated[str, typer.Option("--lang", metavar="|".join(LANGUAGES), help="What the package is for.")],
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="The package's folder; one made before is replaced.")],
    url: Url = None,
    name: Annotated[str, typer.Option(help="What the package is called.")] = DEFAULT_NAME,
    version: Annotated[str, typer.Option("--package-version", help="Its version.")] = "0.1.0",
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="MODEL", help="Only this one; may be repeated. Default: every model.", show_default=False
        ),
    ] = None,
) -> None:
    """Make a package with a typed class for each model.

    Models whose tensors only their files or their code tell are loaded for that, unless a server is asked, which has them loaded.
    The same models make the same package.
    """
    with sentences(USAGE):
        chosen = _language(language)
        _either(repository, url)
    with sentences(FAILED):
        found = _of_server(url) if url else _of_repository(_settings(repository), models)
        package = Package(name=name, version=version, models=_known(found, models))
        write_package(python_files(package) if chosen == "python" else typescript_files(package), folder)
    out.print(Text(f"{folder}: {name} {version} for {chosen}; models: {len(package.models)}"))


@client.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A package that `jubako client generate` made.")],
    repository: RepositoryArgument = None,
    *,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what has changed since a package was made, and whether it breaks the package. Ends with status 1 if it does."""
    with sentences(USAGE):
        made_from = read_interface(folder)
        _either(repository, url)
    with sentences(FAILED):
        now = _of_server(url) if url else _of_repository_today(_settings(repository), made_from)
    comparisons = compare(made_from, now)
    if as_json:
        out.print_json(msgspec.json.encode(comparisons).decode())
    else:
        out.print(_table(comparisons))
    if any(comparison.verdict == "breaking" for comparison in comparisons):
        raise typer.Exit(FAILED)


# --- what there is --------------------------------------------------------------------------------------------------------


def _of_server(url: str) -> list[ModelInterface]:
    with Client(url) as asked:
        return asked.interfaces()


def _of_repository(settings: Settings, names: Sequence[str] | None) -> list[ModelInterface]:
    chosen = names or entries(settings.repository)
    # Why a model can't be loaded is said of the model, and not in a log.
    logging.getLogger("jubako").addHandler(logging.NullHandler())
    with _watching() as watch:
        return asyncio.run(describe(settings.repository, settings.cache_dir, chosen, watch))


def _of_repository_today(settings: Settings, made_from: Sequence[ModelInterface]) -> list[ModelInterface]:
    """Of a model that the package does not have only the name: that is all that matters of it."""
    names = entries(settings.repository)
    known = {model.name for model in made_from}
    found = _of_repository(settings, shared) if (shared := [name for name in names if name in known]) else []
    return found + [ModelInterface(name=name) for name in names if name not in known]


def _known(models: Sequence[ModelInterface], asked_for: Sequence[str] | None) -> list[ModelInterface]:
    """Those that were asked for, or all whose interface is known.

    Raises:
        ConfigurationError: there is no such model, its interface is not known, or that of none is.
    """
    by_name = {model.name: model for model in models}
    for name in asked_for or []:
        if name not in by_name:
            raise ConfigurationError(f"There is no model {name!r}. {nearest(name, by_name)}".rstrip())
        if not by_name[name].digest:
            raise ConfigurationError(_left_out(by_name[name]))
    for model in models:
        if not model.digest and not asked_for:
            remark(_left_out(model))
    found = [model for model in models if model.digest and (not asked_for or model.name in asked_for)]
    if not found:
        raise ConfigurationError("There is no model for which a class could be made.")
    return sorted(found, key=lambda model: model.name)


def _left_out(model: ModelInterface) -> str:
    return f"No class can be made for {model.name!r}: what it takes and gives is not known, because {model.unknown}"


@contextmanager
def _watching() -> Iterator[Watch]:
    """Shows on a terminal how far the models are that have to be loaded."""
    with err.status("Reading the repository") as status:

        def watch(versions: list[VersionStatus]) -> None:
            words = [f"{each.model} ({each.reason or each.state.lower()})" for each in versions if each.state == "LOADING"]
            status.update(Text(f"Loading {', '.join(words)}" if words else "Done"))

        yield watch


def _settings(repository: Path | None) -> Settings:
    with sentences(USAGE):
        return load_settings({} if repository is None else {"repository": str(repository)}).settings


def _either(repository: Path | None, url: str | None) -> None:
    """
    Raises:
        ConfigurationError: both are named.
    """
    if repository is not None and url is not None:
        raise ConfigurationError("Name a repository or, with --url, a server, and not both.")


def _language(name: str) -> Language:
    """
    Raises:
        ConfigurationError: there is no such language.
    """
    for language in LANGUAGES:
        if language == name:
            return language
    raise ConfigurationError(f"--lang is {name!r}; it must be {' or '.join(map(repr, LANGUAGES))}.")


# --- what is shown --------------------------------------------------------------------------------------------------------

_COLOURS: Final[dict[Verdict, str]] = {"unchanged": "dim", "compatible": "green", "breaking": "red", "unknown": "yellow"}


def _table(comparisons: Sequence[Comparison]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("MODEL", "VERDICT", "CHANGES"):
        table.add_column(column, overflow="fold")
    for comparison in comparisons:
        changes = " ".join(change.what for change in comparison.changes)
        table.add_row(Text(comparison.model), Text(comparison.verdict, _COLOURS[comparison.verdict]), Text(changes))
    return table
