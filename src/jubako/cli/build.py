"""`jubako build`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.download_bar import download_bar
from jubako.cli.repository import RepositoryOption, find_version
from jubako.cli.terminal import FAILED, USAGE, complain, err, out, sentences
from jubako.errors import ConfigurationError
from jubako.packaging.bento import Builder, Built
from jubako.packaging.weights import WeightsMode
from jubako.repository.cache import Cache, human_size
from jubako.repository.model import Version
from jubako.repository.repository import Repository, read_repository
from jubako.settings import load_settings


def build(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL[:VERSION]]", show_default=False, help="By any of its names; @ALIAS says a version too."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="A bento for every version that would be served.")] = False,
    weights: Annotated[
        WeightsMode, typer.Option(help="In the bento, in a registry, in a folder that is mounted, or fetched from their source.")
    ] = "baked",
    artifacts: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="[MODEL:VERSION=]REFERENCE",
            show_default=False,
            help="With --weights artifact: the artifact with the weights, as oci://REGISTRY/NAME@sha256:...",
        ),
    ] = None,
    repository: RepositoryOption = None,
) -> None:
    """Build a bento of a model: its entry and those that it needs, its service, its weights or where they are.

    The same content gives the same tag and is built once. `jubako containerize` makes an image of it, `bentoml serve` runs it as
    it is.
    """
    with sentences(USAGE):
        if every == (model is not None):
            raise ConfigurationError("Name one model, as in `jubako build smollm2`, or say `jubako build --all`.")
        if artifacts and weights != "artifact":
            raise ConfigurationError("--from is for --weights artifact.")
        settings = load_settings({"repository": str(repository)} if repository else {}).settings
    with sentences():
        found = read_repository(settings.repository, BACKENDS)
        versions = _served(found) if model is None else [find_version(found, model)]
    references = _by_version(artifacts or [], versions)
    failed = False
    for version in versions:
        title = f"{version.model_name}:{version.number}"
        try:
            with download_bar(err) as progress:
                builder = Builder(found, Cache(settings.cache_dir), progress, _say(title), weights, references)
                built = builder.build(version)
        except ConfigurationError as error:
            complain(f"{title}: {error.message}")
            failed = True
        else:
            _show(built)
    if failed:
        raise typer.Exit(FAILED)


def _served(repository: Repository) -> list[Version]:
    return [version for model in repository.models.values() for version in model.served_versions]


def _by_version(artifacts: list[str], versions: list[Version]) -> dict[str, str]:
    """References by ``model:number``; one that names no model is for the one that is built."""
    named = [reference.rpartition("=oci:") for reference in artifacts]
    only = f"{versions[0].model_name}:{versions[0].number}" if versions else ""
    return {name or only: f"oci:{reference}" if name else reference for name, _, reference in named}


def _say(title: str) -> Callable[[str], None]:
    return lambda line: err.print(Text(f"{title}: {line}", "dim"))


def _show(built: Built) -> None:
    code = sum(path.stat().st_size for path in built.folder.rglob("*") if path.is_file())
    what = "built" if built.is_new else "is there already"
    weights = f", weights {human_size(built.weights)}" if built.weights else ""
    err.print(Text(f"{built.tag} {what}: {human_size(code)}{weights}, in {built.folder}"))
    out.print(Text(built.tag))
