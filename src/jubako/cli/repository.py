"""`jubako ls`, `pull`, `check` and `schema`: the model repository from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.download_bar import download_bar
from jubako.cli.terminal import FAILED, USAGE, complain, err, out, sentences
from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache, human_size
from jubako.repository.problem import Problem, nearest
from jubako.repository.reference import reference_page
from jubako.repository.repository import Model, Repository, Version, read_repository
from jubako.repository.schema import model_schema
from jubako.repository.sources import cached_weights, fetch_weights
from jubako.settings import Settings, load_settings

RepositoryArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[REPOSITORY]", show_default=False, help="The model repository. Default: the one that `serve` takes."),
]
RepositoryOption = Annotated[
    Path | None,
    typer.Option("--repository", show_default=False, help="The model repository. Default: the one that `serve` takes."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def ls(repository: RepositoryArgument = None, as_json: AsJson = False) -> None:
    """List the models of the repository and their versions."""
    with sentences():
        settings = _settings(repository)
        found = read_repository(settings.repository, BACKENDS)
    cache = Cache(settings.cache_dir)
    if as_json:
        models = [_as_json(model, version, cache) for model, version in _versions(found)]
        broken = {name: [str(problem) for problem in problems] for name, problems in found.broken.items()}
        out.print_json(json.dumps({"repository": str(found.root), "models": models, "broken": broken}))
        return
    out.print(_table(found, cache))
    if not found.models and not found.broken:
        err.print(Text(f"There is no model in {found.root} yet."))
    if found.broken:
        err.print(f"{_count(len(found.problems), 'problem')}; `jubako check` shows them.")


def pull(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL[:VERSION]]", show_default=False, help="By any of its names.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The latest version of every model.")] = False,
    repository: RepositoryOption = None,
) -> None:
    """Fetch the weights of a model into the cache, verified, so that serving it needs no network."""
    with sentences(USAGE):
        if every == (model is not None):
            raise ConfigurationError("Name one model, as in `jubako pull smollm2`, or say `jubako pull --all`.")
    with sentences():
        settings = _settings(repository)
        found = read_repository(settings.repository, BACKENDS)
        wanted = [entry.latest for entry in found.models.values()] if model is None else [find_version(found, model)]
    cache = Cache(settings.cache_dir)
    failures = [version for version in wanted if not _pulled(version, cache)]
    if model is None:
        for name, problems in found.broken.items():
            complain(f"{name} is broken ({_count(len(problems), 'problem')}); `jubako check` shows why.")
    if failures or (model is None and found.broken):
        raise typer.Exit(FAILED)


def check(repository: RepositoryArgument = None, as_json: AsJson = False) -> None:
    """Check every entry of the repository, and show every problem at once. Ends with status 1 if there is any."""
    with sentences():
        found = read_repository(_settings(repository).repository, BACKENDS)
    if as_json:
        out.print_json(json.dumps([_problem_as_json(problem) for problem in found.problems]))
    else:
        for problem in found.problems:
            out.print(Text(str(problem)))
        verdict = f"{_count(len(found.models), 'model')} all right"
        broken = f", {_count(len(found.broken), 'model')} with {_count(len(found.problems), 'problem')}" if found.broken else ""
        err.print(Text(f"{found.root}: {verdict}{broken}."))
    if found.problems:
        raise typer.Exit(FAILED)


def schema(
    backend: Annotated[str | None, typer.Option(help="Describe entries of this backend only.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here.", show_default=False)] = None,
    reference: Annotated[bool, typer.Option("--reference", help="The reference page in Markdown instead.")] = False,
) -> None:
    """Print the JSON Schema of model.yaml, with which editors complete and check entries."""
    with sentences():
        text = reference_page(BACKENDS) if reference else json.dumps(model_schema(BACKENDS, backend), indent=2) + "\n"
        if file is None:
            out.file.write(text)
            return
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None


def find_version(repository: Repository, wanted: str) -> Version:
    """The version that ``MODEL[:VERSION]`` means; names may hold colons themselves, so a whole name wins.

    Raises:
        ConfigurationError: there is none; the sentence says the nearest name, or which versions there are.
    """
    names = {name: model for model in repository.models.values() for name in model.served_names}
    if wanted in names:
        return names[wanted].latest
    name, _, number = wanted.rpartition(":")
    if name in names and number.isdecimal():
        model = names[name]
        for version in model.versions:
            if version.number == int(number):
                return version
        has = ", ".join(str(version.number) for version in model.versions)
        raise ConfigurationError(f"{name} has no version {number}; it has: {has}.")
    for broken in {wanted, name} & set(repository.broken):
        problems = "\n".join(str(problem) for problem in repository.broken[broken])
        raise ConfigurationError(f"The entry {broken!r} has problems.\n{problems}")
    raise ConfigurationError(f"There is no model {wanted!r} in {repository.root}. {nearest(wanted, names)}".rstrip())


def _settings(repository: Path | None) -> Settings:
    with sentences(USAGE):
        return load_settings({"repository": str(repository)} if repository else {}).settings


def _pulled(version: Version, cache: Cache) -> bool:
    title = f"{version.model_name}:{version.number}"
    try:
        with download_bar(err) as progress:
            weights = fetch_weights(version, cache, progress)
    except ConfigurationError as error:
        complain(f"{title}: {error.message}")
        return False
    out.print(Text(f"{title}  {weights or 'needs no weights'}"))
    return True


# --- listings -------------------------------------------------------------------------------------------------------------


def _versions(repository: Repository) -> Iterator[tuple[Model, Version]]:
    for model in repository.models.values():
        for version in model.versions:
            yield model, version


def _table(repository: Repository, cache: Cache) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("MODEL", "VERSION", "BACKEND", "TASKS", "WEIGHTS", "SOURCE", "OTHER NAMES"):
        table.add_column(column, overflow="fold")
    for model, version in _versions(repository):
        table.add_row(
            model.name,
            str(version.number),
            model.config.backend,
            ", ".join(model.tasks),
            _weights(version, cache),
            str(version.source or ""),
            ", ".join(model.served_names[1:]),
        )
    for name, problems in repository.broken.items():
        table.add_row(Text(name, "red"), "", "", "", Text(_count(len(problems), "problem"), "red"), "", "")
    return table


def _weights(version: Version, cache: Cache) -> str:
    if version.source is None:
        return "none"
    size = cached_weights(version, cache)
    return human_size(size) if size is not None else "not fetched"


def _as_json(model: Model, version: Version, cache: Cache) -> dict[str, object]:
    size = cached_weights(version, cache)
    return {
        "model": model.name,
        "version": version.number,
        "backend": model.config.backend,
        "tasks": list(model.tasks),
        "served_names": list(model.served_names),
        "source": str(version.source) if version.source else None,
        "sha256": version.sha256,
        "fetched": size is not None or version.source is None,
        "bytes": size,
        "description": model.config.description,
        "license": model.config.license,
    }


def _problem_as_json(problem: Problem) -> dict[str, object]:
    return {"file": str(problem.file), "line": problem.line, "message": problem.message}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
