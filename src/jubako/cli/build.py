"""`jubako build`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.download_bar import download_bar
from jubako.cli.repository import RepositoryOption, find_version
from jubako.cli.terminal import FAILED, USAGE, complain, err, out, sentences
from jubako.environments.uv import Say
from jubako.errors import ConfigurationError
from jubako.packaging.bento import Builder, Built
from jubako.packaging.locks import USUAL, Variant
from jubako.packaging.weights import WeightsMode
from jubako.repository.cache import Cache, human_size
from jubako.repository.model import Version
from jubako.repository.repository import Repository, read_repository
from jubako.settings import load_settings

Weights = Annotated[
    WeightsMode, typer.Option(help="In the bento, in a registry, in a folder that is mounted, or fetched from their source.")
]
Artifacts = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="[MODEL:VERSION=]REFERENCE",
        show_default=False,
        help="With --weights artifact: the artifact with the weights, as oci://REGISTRY/NAME@sha256:...",
    ),
]


VariantOption = Annotated[
    Variant | None,
    typer.Option(
        "--variant",
        show_default=False,
        help=f"Which build of PyTorch a model that needs it gets: without CUDA, or with. Default: {USUAL}.",
    ),
]

_NAMED = re.compile(r"((?P<name>[^=]+)=)?(?P<reference>oci.*)")


def build(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL[:VERSION]]", show_default=False, help="By any of its names; @ALIAS says a version too."),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="A bento for every version that would be served.")] = False,
    weights: Weights = "baked",
    artifacts: Artifacts = None,
    variant: VariantOption = None,
    repository: RepositoryOption = None,
) -> None:
    """Build a bento of a model: its entry and those that it needs, its service, its weights or where they are.

    The same content gives the same tag and is built once. `jubako containerize` makes an image of it, `bentoml serve` runs it as
    it is.
    """
    with sentences(USAGE):
        if every == (model is not None):
            raise ConfigurationError("Name one model, as in `jubako build smollm2`, or say `jubako build --all`.")
    bentos = [_built(version, builder) for version, builder in _builders(model, weights, artifacts, variant, repository)]
    for bento in bentos:
        if bento is not None:
            out.print(Text(bento.tag))
    if None in bentos:
        raise typer.Exit(FAILED)


def build_one(
    model: str, weights: WeightsMode, artifacts: list[str] | None, variant: Variant | None, repository: Path | None
) -> str:
    """The tag of the bento of one model, which is built if it is not there yet; ends the command if it can't be."""
    ((version, builder),) = _builders(model, weights, artifacts, variant, repository)
    bento = _built(version, builder)
    if bento is None:
        raise typer.Exit(FAILED)
    return bento.tag


def _builders(
    model: str | None, weights: WeightsMode, artifacts: list[str] | None, variant: Variant | None, repository: Path | None
) -> list[tuple[Version, Builder]]:
    """The version that `model` names, or every one that would be served, each with what builds it."""
    with sentences(USAGE):
        if artifacts and weights != "artifact":
            raise ConfigurationError("--from is for --weights artifact.")
        settings = load_settings({"repository": str(repository)} if repository else {}).settings
    with sentences():
        found = read_repository(settings.repository, BACKENDS)
        versions = _served(found) if model is None else [find_version(found, model)]
    cache, references = Cache(settings.cache_dir), _by_version(artifacts or [], versions)
    chosen = variant or USUAL
    return [(version, Builder(found, cache, _say(_title(version)), weights, references, chosen)) for version in versions]


def _built(version: Version, builder: Builder) -> Built | None:
    try:
        with download_bar(err) as progress:
            built = builder.build(version, progress)
    except ConfigurationError as error:
        complain(f"{_title(version)}: {error.message}")
        return None
    code = sum(path.stat().st_size for path in built.folder.rglob("*") if path.is_file())
    what = "built" if built.is_new else "is there already"
    held = f", weights {human_size(built.weights)}" if built.weights else ""
    err.print(Text(f"{built.tag} {what}: {human_size(code)}{held}, in {built.folder}"))
    return built


def _served(repository: Repository) -> list[Version]:
    return [version for model in repository.models.values() for version in model.served_versions]


def _by_version(artifacts: list[str], versions: list[Version]) -> dict[str, str]:
    """References by ``model:number``; one that names no model is for the first version."""
    named = [_NAMED.fullmatch(each) for each in artifacts]
    return {found["name"] or _title(versions[0]): found["reference"] for found in named if found}


def _title(version: Version) -> str:
    return f"{version.model_name}:{version.number}"


def _say(title: str) -> Say:
    return lambda line: err.print(Text(f"{title}: {line}", "dim"))
