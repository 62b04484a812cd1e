"""`jubako convert`: other forms of a model's weights, for engines that can't read the one that the entry has."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins
from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.download_bar import download_bar
from jubako.cli.repository import RepositoryOption, find_version
from jubako.cli.share_bar import share_bar
from jubako.cli.terminal import USAGE, err, out, sentences
from jubako.conversion import Conversion, converting_interpreter, dtype_for
from jubako.conversion.version import NewVersion
from jubako.environments import Tenant, located
from jubako.errors import ConfigurationError
from jubako.messages import SamplingParams
from jubako.repository.cache import Cache
from jubako.repository.repository import Model, Repository, Version, read_repository
from jubako.repository.sources import fetch_weights
from jubako.settings import load_settings

READERS = ("transformers", "vllm", "lmdeploy")
"""Backends that load a folder in Hugging Face's format."""

convert = typer.Typer(
    name="convert",
    help="Other forms of a model's weights.\n\nBegin with: jubako convert gguf-to-hf MODEL --into NAME",
    no_args_is_help=True,
)


class Dtype(Enum):
    bfloat16 = "bfloat16"
    float16 = "float16"
    float32 = "float32"


@convert.callback()
def _group() -> None:
    """Keeps the names of the conversions, of which there is one so far."""


@convert.command("gguf-to-hf")
def gguf_to_hf(
    model: Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="By any of its names.", show_default=False)],
    *,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The entry that gets the version; it may be new. Default: the same.", show_default=False
        ),
    ] = None,
    as_version: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="The version's number. Default: the next.", show_default=False)
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="The backend of a new entry: transformers or vllm. Default: transformers.", show_default=False),
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="The type of the numbers. Default: bfloat16, or what the entry's engine says.")
    ] = None,
    repository: RepositoryOption = None,
) -> None:
    """Make a version in Hugging Face's format of a model that is a GGUF file, for backends such as vllm and transformers.

    What is new appears when it is whole and has been read again: its tokenizer agrees with the file's, and it computes finite
    numbers. Its provenance.json says what it was made of, and with what.
    """
    with sentences(USAGE):
        settings = load_settings({"repository": str(repository)} if repository else {}).settings
    with sentences():
        found = read_repository(settings.repository, BACKENDS)
        version = find_version(found, model)
        target = _target(found, version, into, backend)
        place = NewVersion.in_entry(
            found.root, into or version.model_name, as_version, _described(found.models[version.model_name], backend)
        )
        cache = Cache(settings.cache_dir)
        python = converting_interpreter(_own_interpreter(target, cache), cache.root)
        chosen = dtype.value if dtype else dtype_for(target.latest.engine if target else {})
        conversion = _conversion(version, chosen, cache)
        with share_bar(err) as show:
            folder = place.make(conversion, python, show)
    out.print(Text(f"{place.entry.name}:{place.number}  {folder}"))


def _target(repository: Repository, version: Version, into: str | None, backend: str | None) -> Model | None:
    """The entry that gets the version; None if it is new.

    Raises:
        ConfigurationError: it could not load the version.
    """
    name = into or version.model_name
    if backend is not None and backend not in READERS:
        raise ConfigurationError(
            f"The backend {backend!r} reads no Hugging Face folder; those that do are: {', '.join(READERS)}."
        )
    if name not in repository.models:
        if (repository.root / name).is_dir():
            raise ConfigurationError(f"The entry {name!r} has problems, which `jubako check` shows: mend them first.")
        return None
    target = repository.models[name]
    reads = target.config.backend
    if reads not in READERS:
        raise ConfigurationError(
            f"{name} runs on {reads}, which reads no Hugging Face folder. Put the new version into another entry, as in: "
            f"jubako convert gguf-to-hf {version.model_name} --into {version.model_name}-hf"
        )
    if backend not in (None, reads):
        raise ConfigurationError(f"{name} runs on {reads} and not on {backend}; --backend is for entries that are new.")
    return target


def _described(model: Model, backend: str | None) -> dict[str, object]:
    """What the model.yaml of a new entry says: what that of `model` does, as far as it does not depend on the engine."""
    config = model.config
    sampling = {
        name: value for name, value in to_builtins(config.sampling).items() if value != to_builtins(SamplingParams()).get(name)
    }
    said = {
        "description": config.description,
        "license": config.license,
        "sampling": sampling,
        "chat_template": model.chat_template,
    }
    return {"backend": backend or READERS[0], **{name: value for name, value in said.items() if value}}


def _own_interpreter(target: Model | None, cache: Cache) -> str:
    """The one that runs the entry, if that has been made."""
    if target is None:
        return ""
    tenant = Tenant(model=target.name, folder=target.folder, backend=target.config.backend, environment=target.config.environment)
    try:
        return located(tenant, cache.root)
    except ConfigurationError:
        return ""


def _conversion(version: Version, dtype: str, cache: Cache) -> Conversion:
    with download_bar(err) as progress:
        weights: Path | None = fetch_weights(version, cache, progress)
        if weights is None:
            raise ConfigurationError(f"{version.model_name}:{version.number} has no weights, so there is nothing to convert.")
        conversion = Conversion.of(weights, str(version.source), dtype, cache, progress)
    if conversion is None:
        raise ConfigurationError(f"{version.model_name}:{version.number} is a Hugging Face folder already: {weights}")
    return conversion
