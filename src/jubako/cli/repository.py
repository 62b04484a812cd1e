"""`jubako ls`, `pull`, `check` and `schema`: the model repository from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.artifact import is_reference, pull_artifact, reference_of
from jubako.cli.download_bar import download_bar
from jubako.cli.terminal import FAILED, USAGE, complain, err, out, sentences
from jubako.errors import ConfigurationError
from jubako.model_names import version_name
from jubako.repository.cache import Cache, human_size
from jubako.repository.problem import Problem, nearest
from jubako.repository.reference import reference_page
from jubako.repository.repository import Model, Repository, Version, read_repository
from jubako.repository.schema import model_schema
from jubako.repository.sources import cached_weights, fetch_weights, pinned_source, unpinned_sources
from jubako.settings import Settings, load_settings
from jubako.tensors import TensorSpec

RepositoryArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[REPOSITORY]", show_default=False, help="The model repository. Default: the one that `serve` takes."),
]
RepositoryOption = Annotated[
    Path | None,
    typer.Option("--repository", show_default=False, help="The model repository. Default: the one that `serve` takes."),
]
PlainHttp = Annotated[
    bool, typer.Option("--plain-http", help="Speak to the registry without TLS, as oci+http:// in place of oci:// does.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def ls(repository: RepositoryArgument = None, as_json: AsJson = False) -> None:
    """List the models of the repository and their versions."""
    with sentences():
        settings = _settings(repository)
        found = read_repository(settings.repository, BACKENDS)
    cache = Cache(settings.cache_dir)
    warnings = _warnings(found, cache)
    if as_json:
        models = [_as_json(model, version, cache) for model, version in _versions(found)]
        broken = {name: _shown(problems) for name, problems in found.broken.items()}
        versions = {
            name: {str(number): _shown(problems) for number, problems in numbers.items()}
            for name, numbers in found.broken_versions.items()
        }
        listing = {"repository": str(found.root), "models": models, "broken": broken, "broken_versions": versions}
        out.print_json(json.dumps(listing | {"warnings": _shown(warnings)}))
        return
    out.print(_table(found, cache))
    if not found.models and not found.broken:
        err.print(Text(f"There is no model in {found.root} yet."))
    if found.problems or warnings:
        counts = [_count(len(some), noun) for some, noun in ((found.problems, "problem"), (warnings, "warning")) if some]
        err.print(f"{' and '.join(counts)}; `jubako check` shows them.")


def pull(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL[:VERSION]|oci://...]", show_default=False, help="By any of its names, or in a registry."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The versions of every model that would be served.")] = False,
    repository: RepositoryOption = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="REPOSITORY", show_default=False, help="Of a registry's model: add its entry to this one."
        ),
    ] = None,
    plain_http: PlainHttp = False,
) -> None:
    """Fetch the weights of a model into the cache, verified, so that serving it needs no network; or a model from a registry."""
    with sentences(USAGE):
        if every == (model is not None):
            raise ConfigurationError("Name one model, as in `jubako pull smollm2`, or say `jubako pull --all`.")
        remote = reference_of(model, plain_http) if model and is_reference(model) else None
        if remote is None and (into or plain_http):
            raise ConfigurationError("--into and --plain-http are for models of a registry, as in `jubako pull oci://...`.")
    if remote:
        with sentences():
            pull_artifact(remote, into, Cache(_settings(repository).cache_dir))
        return
    with sentences():
        settings = _settings(repository)
        found = read_repository(settings.repository, BACKENDS)
        served = [version for entry in found.models.values() for version in entry.served_versions]
        wanted = served if model is None else [find_version(found, model)]
    cache = Cache(settings.cache_dir)
    failures = [version for version in wanted if not _pulled(version, cache)]
    if model is None:
        for name, problems in found.broken.items():
            complain(f"{name} is broken ({_count(len(problems), 'problem')}); `jubako check` shows why.")
        for name, number, problems in _broken_versions(found):
            complain(f"{name}:{number} is broken ({_count(len(problems), 'problem')}); `jubako check` shows why.")
    if failures or (model is None and found.problems):
        raise typer.Exit(FAILED)


def check(repository: RepositoryArgument = None, as_json: AsJson = False) -> None:
    """Check every entry of the repository, and show every problem and warning. Ends with status 1 if there is any problem."""
    with sentences():
        settings = _settings(repository)
        found = read_repository(settings.repository, BACKENDS)
    warnings = _warnings(found, Cache(settings.cache_dir))
    if as_json:
        wrong = [_problem_as_json(problem, warning=False) for problem in found.problems]
        out.print_json(json.dumps(wrong + [_problem_as_json(problem, warning=True) for problem in warnings]))
    else:
        for problem in found.problems:
            out.print(Text(str(problem)))
        for problem in warnings:
            out.print(Text(f"{problem.shown_file}:{problem.line}: warning: {problem.message}"))
        err.print(Text(f"{found.root}: {_verdict(found, warnings)}."))
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
    """The version that ``MODEL``, ``MODEL:VERSION`` or ``MODEL@ALIAS`` means; a whole name wins.

    Raises:
        ConfigurationError: there is none; the sentence says the nearest name, or which versions there are.
    """
    names = {name: model for model in repository.models.values() for name in model.served_names}
    if wanted in names:
        return names[wanted].latest
    name = version_name(wanted)
    if name and name.model in names:
        model = names[name.model]
        if name.alias and name.alias not in model.aliases:
            raise ConfigurationError(f"{name.model} has no alias {name.alias}; it has: {', '.join(model.aliases) or 'none'}.")
        return _numbered(model, model.aliases[name.alias] if name.alias else int(name.number))
    for broken in {wanted, name.model if name else wanted} & set(repository.broken):
        raise ConfigurationError("\n".join([f"The entry {broken!r} has problems.", *_shown(repository.broken[broken])]))
    raise ConfigurationError(f"There is no model {wanted!r} in {repository.root}. {nearest(wanted, names)}".rstrip())


def _numbered(model: Model, number: int) -> Version:
    for version in model.versions:
        if version.number == number:
            return version
    if problems := model.broken_versions.get(number):
        raise ConfigurationError("\n".join([f"{model.name} has problems in its version {number}.", *_shown(problems)]))
    has = ", ".join(str(version.number) for version in model.versions)
    raise ConfigurationError(f"{model.name} has no version {number}; it has: {has}.")


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


def _broken_versions(repository: Repository) -> Iterator[tuple[str, int, list[Problem]]]:
    """Of the models that are not broken as a whole."""
    for name in repository.models:
        for number, problems in sorted(repository.broken_versions.get(name, {}).items()):
            yield name, number, problems


def _table(repository: Repository, cache: Cache) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("MODEL", "VERSION", "ALIASES", "STATE", "BACKEND", "TASKS", "WEIGHTS", "SOURCE", "OTHER NAMES"):
        table.add_column(column, overflow="fold")
    for model, version in _versions(repository):
        table.add_row(
            model.name,
            str(version.number),
            ", ".join(_aliases(model, version.number)),
            _state(model, version),
            model.config.backend,
            ", ".join(model.tasks),
            _weights(version, cache),
            str(version.source or ""),
            ", ".join(model.served_names[1:]),
        )
    for name, number, problems in _broken_versions(repository):
        aliases = ", ".join(_aliases(repository.models[name], number))
        table.add_row(Text(name, "red"), str(number), aliases, Text(_count(len(problems), "problem"), "red"))
    for name, problems in repository.broken.items():
        table.add_row(Text(name, "red"), "", "", Text(_count(len(problems), "problem"), "red"))
    return table


def _state(model: Model, version: Version) -> str:
    if version.number not in model.chosen_numbers:
        return "not chosen"
    return "served" if model.config.autoload else "on request"


def _aliases(model: Model, number: int) -> list[str]:
    return sorted(alias for alias, meant in model.aliases.items() if meant == number)


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
        "aliases": _aliases(model, version.number),
        "served": version.number in model.chosen_numbers,
        "autoload": model.config.autoload,
        "backend": model.config.backend,
        "tasks": list(model.tasks),
        "served_names": list(model.served_names),
        "source": str(version.source) if version.source else None,
        "pinned_source": pinned_source(version, cache),
        "sha256": version.sha256,
        "fetched": size is not None or version.source is None,
        "bytes": size,
        "description": model.config.description,
        "license": model.config.license,
        "configuration": str(model.file),
        "inputs": [_tensor_as_json(tensor) for tensor in model.inputs],
        "outputs": [_tensor_as_json(tensor) for tensor in model.outputs],
    }


def _tensor_as_json(tensor: TensorSpec) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def _problem_as_json(problem: Problem, *, warning: bool) -> dict[str, object]:
    return {"file": str(problem.file), "line": problem.line, "message": problem.message, "warning": warning}


def _shown(problems: Iterable[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


def _warnings(repository: Repository, cache: Cache) -> list[Problem]:
    return sorted([*repository.warnings, *unpinned_sources(repository, cache)])


def _verdict(repository: Repository, warnings: list[Problem]) -> str:
    with_problems = {*repository.broken, *(name for name, _, _ in _broken_versions(repository))}
    parts = [f"{_count(len(repository.models.keys() - with_problems), 'model')} all right"]
    if with_problems:
        parts.append(f"{_count(len(with_problems), 'model')} with {_count(len(repository.problems), 'problem')}")
    if warnings:
        parts.append(_count(len(warnings), "warning"))
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
