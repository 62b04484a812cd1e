"""Where the weights of a bento's models are: in it, or beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from jubako.errors import ConfigurationError
from jubako.packaging.tag import tag_name, tag_version
from jubako.paths import bentoml_home
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Progress
from jubako.repository.source import FileSource, LocalSource, RegistrySource, parse_source
from jubako.repository.sources import fetch_weights, pinned_source
from jubako.repository.versions import VERSION_FILE

WeightsMode = Literal["baked", "artifact", "mounted", "source"]
"""``baked``: in the bento, as a model of BentoML's store. ``artifact``: in a registry, under a digest. ``mounted``: in a folder
that whoever runs the bento provides. ``source``: where the entry says. All are verified by their digests when they are loaded."""

MOUNT = "/mnt/models"
"""The folder in which ``mounted`` weights are looked for."""

STORED = "weights"
"""The folder of a BentoML model that holds the weights, beside what BentoML writes of its own."""


@dataclass(frozen=True)
class WeightFile:
    """`path` is relative to the folder of the weights; `sha256` is hexadecimal."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Weights:
    """The weights of one version, as they are on this machine.

    Attributes:
        place: The file, or the folder of the files.
        files: All of them, by path.
        origin: The source that they have come from, by digest or commit if it has such a form; "" if they are this machine's own.
    """

    version: Version
    place: Path
    files: tuple[WeightFile, ...]
    origin: str = ""

    @property
    def digest(self) -> str:
        """Of the paths and digests of all files: equal content, equal digest."""
        return hashlib.sha256("".join(f"{file.sha256} {file.path}\n" for file in self.files).encode()).hexdigest()

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(path.stat().st_size for _, path in self.paths())

    @property
    def pins(self) -> str | dict[str, str]:
        """As ``sha256`` of a version.yaml says them."""
        return self.files[0].sha256 if self.place.is_file() else {file.path: file.sha256 for file in self.files}

    @property
    def root(self) -> str:
        """The file's name, "" for a folder: what is loaded, relative to the folder of the weights."""
        return self.place.name if self.place.is_file() else ""

    @property
    def tag(self) -> str:
        """Of the model in BentoML's store."""
        return f"{tag_name(self.version.model_name)}:{tag_version(self.version.number, self.digest)}"

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Each file's path relative to the folder of the weights, and where it is."""
        for file in self.files:
            yield file.path, self.place if self.place.is_file() else self.place / file.path


def weights_of(version: Version, cache: Cache, progress: Progress, *, pinned: bool = False) -> Weights:
    """The weights of a version that has some, fetched if they are not here yet.

    Args:
        pinned: Find out by digest or commit where they come from, also if that must be asked for though they are here.

    Raises:
        ConfigurationError: they are not to be had, or are not the pinned ones.
    """
    place = fetch_weights(version, cache, progress, pinned=pinned)
    assert place is not None
    paths = [(place.name, place)] if place.is_file() else sorted(_files(place))
    files = tuple(WeightFile(path, cache.digest_of(file, progress)) for path, file in paths)
    own = isinstance(version.source, LocalSource | FileSource)
    return Weights(version, place, files, "" if own else pinned_source(version, cache) or str(version.source))


def source_in_bento(weights: Weights, mode: WeightsMode, *, artifact: str | None, alone: bool) -> str:
    """What ``source`` says in the bento.

    Args:
        artifact: The reference of the artifact with these weights; needed for that mode.
        alone: Whether no other model of the bento has weights.

    Raises:
        ConfigurationError: the mode is not possible for these weights.
    """
    version = weights.version
    name = f"{version.model_name}:{version.number}"
    match mode:
        case "baked":
            return "/".join(filter(None, [f"bentoml://{weights.tag}", STORED, weights.root]))
        case "mounted":
            folder = [MOUNT] if alone else [MOUNT, version.model_name, str(version.number)]
            return "file:" + "/".join(filter(None, [*folder, weights.root]))
        case "artifact":
            return _pinned_artifact(artifact, name)
        case "source":
            if not weights.origin:
                raise ConfigurationError(
                    f"The weights of {name} are on this machine only, so no server can fetch them from their source. "
                    "Say --weights baked, or push them and say --weights artifact."
                )
            return weights.origin


def store(weights: Weights, labels: Mapping[str, str]) -> bool:
    """Put the weights into BentoML's store, and say whether they were not there before."""
    if (bentoml_home() / "models" / weights.tag.replace(":", "/") / "model.yaml").is_file():
        return False
    # Not imported above: BentoML takes a second, which whoever only reads entries need not wait for.
    with import_module("bentoml.models").create(weights.tag, labels=dict(labels)) as model:
        for path, file in weights.paths():
            _link(file, Path(model.path) / STORED / path)
    return True


def _pinned_artifact(reference: str | None, name: str) -> str:
    push = f"`jubako push {name} oci://REGISTRY/NAME` prints one"
    if reference is None:
        raise ConfigurationError(f"Say which artifact has the weights of {name}: --from oci://REGISTRY/NAME@sha256:...; {push}.")
    source = parse_source(reference)
    if not isinstance(source, RegistrySource) or source.reference.digest is None:
        raise ConfigurationError(f"{reference!r} names no artifact by its digest, as in oci://REGISTRY/NAME@sha256:...; {push}.")
    return str(source)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and path.name != VERSION_FILE and not any(part.startswith((".", "__pycache__")) for part in parts):
            yield "/".join(parts), path


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(file, target)
