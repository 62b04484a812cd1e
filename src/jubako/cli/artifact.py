"""Versions of models between the repository and a registry, with what the terminal shows of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.text import Text

from jubako.backends.declarations import BACKENDS
from jubako.cli.download_bar import download_bar
from jubako.cli.terminal import err, out, remark
from jubako.errors import ConfigurationError
from jubako.oci.credentials import find_credentials
from jubako.oci.manifest import decoded
from jubako.oci.modelpack import CONFIG, WEIGHTS_FOLDER, ModelConfig
from jubako.oci.reference import PLAIN_SCHEME, SCHEME, Reference, parse_reference
from jubako.oci.remote import RemoteRepository
from jubako.repository.artifacts import Added, Fetched, add_entry, artifact_of, push_artifact
from jubako.repository.cache import Cache, human_size
from jubako.repository.entry import read_entry
from jubako.repository.model import Model, Version
from jubako.repository.progress import Silent
from jubako.repository.source import RegistrySource
from jubako.repository.sources import fetch_source, fetch_weights
from jubako.repository.sources.registry import EVERYTHING

_LARGEST_CONFIG = 1024 * 1024


def is_reference(text: str) -> bool:
    """Whether `text` means something in a registry, and not a model of the repository."""
    return text.startswith((SCHEME, PLAIN_SCHEME))


def reference_of(text: str, plain_http: bool) -> Reference:
    """
    Raises:
        ConfigurationError: `text` is none.
    """
    reference = parse_reference(text)
    return replace(reference, plain_http=True) if plain_http else reference


def push_version(model: Model, version: Version, target: Reference, cache: Cache) -> None:
    """Push a version as an artifact, and print its reference by digest.

    Raises:
        ConfigurationError: it can't be made or pushed.
    """
    if target.digest:
        raise ConfigurationError(f"{target} has a digest, which only the content can give. Name a tag, or nothing.")
    tag = target.tag or str(version.number)
    with download_bar(err) as progress, RemoteRepository(target, find_credentials(target)) as remote:
        artifact = artifact_of(model, version, cache, progress)
        pushed = push_artifact(artifact, remote, tag, cache, progress, mount_from=_origin(version, target))
    there = f"; {_files(pushed.present)} there already" if pushed.present else ""
    err.print(Text(f"{target.name}:{tag}  {_files(pushed.sent)}, {human_size(pushed.sent_bytes)}, sent{there}"))
    out.print(Text(target.pinned(pushed.descriptor.digest).source))


def pull_artifact(reference: Reference, into: Path | None, cache: Cache) -> None:
    """Fetch an artifact or image into the cache, and print where it is; or add it to a repository, and print the model's name.

    Raises:
        ConfigurationError: it is not to be had, is damaged, or is no model.
    """
    with RemoteRepository(reference, find_credentials(reference)) as remote:
        pinned = reference.pinned(remote.document(reference.wanted).descriptor.digest)
        model, weights_folder = _described(remote, pinned) if into else ("", "")
    source = RegistrySource(pinned, EVERYTHING)
    with download_bar(err) as progress:
        folder = fetch_source(source, cache, progress)
    if into is None:
        out.print(Text(f"{pinned.source}  {folder}"))
        return
    files = cache.find(str(source))
    assert files is not None
    added = add_entry(Fetched(pinned, model, weights_folder, files.files), cache, into)
    if added.present:
        remark(f"{added.folder} was there already.")
    if added.kept:
        remark(f"{into / added.name} was there, with other files than the artifact's. They were left as they are.")
    _prepare(added, into, cache)
    out.print(Text(f"{added.name}:{added.number}  {added.folder}"))


def _prepare(added: Added, into: Path, cache: Cache) -> None:
    """Say what is wrong with the entry; have its weights found where they are, so that loading them asks no registry."""
    entry = read_entry(into / added.name, BACKENDS)
    for problem in sorted({*entry.problems, *entry.broken_versions.get(added.number, ())}):
        remark(str(problem))
    for version in entry.model.versions if entry.model else ():
        if version.number == added.number:
            fetch_weights(version, cache, Silent())


def _described(remote: RemoteRepository, pinned: Reference) -> tuple[str, str]:
    """The name of the model that an artifact holds, and the folder of its weights.

    Raises:
        ConfigurationError: it is no artifact of a model.
    """
    _, manifest = remote.manifest(pinned.wanted)
    if manifest.config.media_type != CONFIG:
        raise ConfigurationError(
            f"{pinned} is no artifact of a model, so no entry can be made of it. It may be the source of a version: "
            f"`source: {pinned.source}`."
        )
    config = decoded(remote.read(manifest.config, _LARGEST_CONFIG), ModelConfig, f"The configuration of {pinned}")
    return config.descriptor.name, manifest.annotations.get(WEIGHTS_FOLDER, "")


def _origin(version: Version, target: Reference) -> str | None:
    """The repository of the target's registry from which the weights came, if that is another one."""
    source = version.source
    if not isinstance(source, RegistrySource) or source.reference.registry != target.registry:
        return None
    return source.reference.repository if source.reference.repository != target.repository else None


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
