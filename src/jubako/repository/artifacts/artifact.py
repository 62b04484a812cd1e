"""What the artifact of a version holds.

::

    model.yaml, README.md, labels.txt ...   the files of the entry
    1/model.gguf ...                        the version's own, and its weights; in 1/weights if they are elsewhere and it has both
    1/version.yaml                          only if it says something else than where the weights are

The same content makes the same bytes, wherever the weights have come from and whenever it is pushed, so it has the same digest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from jubako.errors import ConfigurationError
from jubako.oci import modelpack
from jubako.oci.manifest import MANIFEST, TITLE, Descriptor, Manifest, described, encoded
from jubako.repository.aliases import ALIASES_FILE
from jubako.repository.cache import Cache
from jubako.repository.document import Document
from jubako.repository.model import Model, Version
from jubako.repository.progress import Progress, Silent
from jubako.repository.source import LocalSource, RemoteSource, Source
from jubako.repository.sources import fetch_weights
from jubako.repository.versions import VERSION_FILE, version_numbers

_ABOUT_OTHERS = {"source", "sha256", "versions", "aliases"}
"""What model.yaml says of where weights are, and of other versions, is not so in an artifact."""

_BESIDE = "weights"
"""The folder of weights that would be mixed with files of the version otherwise."""

_WORTH_SHOWING = 16 * 1024 * 1024  # bytes; what is smaller is read in no time


@dataclass(frozen=True)
class Layer:
    """A file of the artifact, and where its content is."""

    descriptor: Descriptor
    content: Path | bytes
    path: str


@dataclass(frozen=True)
class Artifact:
    """An artifact that can be pushed.

    Attributes:
        layers: By path.
        config: The configuration's JSON.
    """

    layers: list[Layer]
    config: bytes
    manifest: bytes

    @property
    def descriptor(self) -> Descriptor:
        return described(self.manifest, MANIFEST)


def artifact_of(model: Model, version: Version, cache: Cache, progress: Progress) -> Artifact:
    """The artifact of one version of an entry; its weights are fetched if they are elsewhere.

    Raises:
        ConfigurationError: the weights are not to be had, or a file is of a kind that artifacts don't hold.
    """
    files = _Files(model, version, cache, progress)
    files.gather()
    layers = [files.layers[path] for path in sorted(files.layers)]
    config = _config(model, version, layers)
    annotations = {
        TITLE: f"{model.name}:{version.number}",
        "org.opencontainers.image.version": str(version.number),
        "org.opencontainers.image.description": model.config.description,
        "org.opencontainers.image.licenses": model.config.license,
        modelpack.WEIGHTS_FOLDER: files.weights_folder,
        modelpack.WEIGHTS_FILE: files.weights_file,
    }
    manifest = Manifest(
        media_type=MANIFEST,
        artifact_type=modelpack.ARTIFACT,
        config=described(config, modelpack.CONFIG),
        layers=[layer.descriptor for layer in layers],
        annotations={name: text for name, text in annotations.items() if text},
    )
    return Artifact(layers, config, encoded(manifest))


def _config(model: Model, version: Version, layers: list[Layer]) -> bytes:
    licenses = [model.config.license] if model.config.license else []
    return encoded(
        modelpack.ModelConfig(
            descriptor=modelpack.ModelDescriptor(model.name, str(version.number), model.config.description, licenses),
            config=modelpack.TechnicalConfig(modelpack.format_of([layer.path for layer in layers])),
            modelfs=modelpack.ModelFiles("layers", [layer.descriptor.digest for layer in layers]),
        )
    )


class _Files:
    """The files of one version and its entry, as layers by their paths in the artifact.

    Attributes:
        weights_folder: The folder of the weights; empty if the version has none.
        weights_file: The file in it that is loaded; empty if it is the folder itself.
    """

    def __init__(self, model: Model, version: Version, cache: Cache, progress: Progress) -> None:
        self.model = model
        self.version = version
        self.cache = cache
        self.progress = progress
        self.folder = str(version.number)
        self.layers: dict[str, Layer] = {}
        self.weights_folder = ""
        self.weights_file = ""

    def gather(self) -> None:
        versions = {str(number) for number in version_numbers(self.model.folder)}
        for path, file in _files_in(self.model.folder, versions | {ALIASES_FILE}):
            self._add(path, file)
        self._leave_out_others()
        if self.version.folder != self.model.folder:
            for path, file in _files_in(self.version.folder, {VERSION_FILE}):
                self._add(f"{self.folder}/{path}", file)
        place = fetch_weights(self.version, self.cache, self.progress)
        source = self.version.source
        if isinstance(source, LocalSource):
            root = self._find_weights(source)
        else:
            root = self._add_weights(source, place) if source and place else ""
        self._describe_version(root)

    def _find_weights(self, source: LocalSource) -> str:
        """Of weights among the version's own files, what is loaded, relative to the version's folder."""
        if self.model.declaration.needs_weights:  # else it is code, which is loaded from where it lies
            whole = self.folder if source.path == "." else f"{self.folder}/{source.path}"
            self.weights_folder, _, self.weights_file = whole.rpartition("/") if whole in self.layers else (whole, "", "")
        return source.path

    def _add_weights(self, source: Source, place: Path) -> str:
        """Add weights that are elsewhere: to the version's own files, or beside them if there are some."""
        alone = not any(path.startswith(f"{self.folder}/") for path in self.layers)
        self.weights_folder = self.folder if alone else f"{self.folder}/{_BESIDE}"
        self.weights_file = place.name if place.is_file() else ""
        for path, file, sha256 in self._files_of(source, place):
            self._add(f"{self.weights_folder}/{path}", file, sha256)
        return "/".join(filter(None, ["" if alone else _BESIDE, self.weights_file])) or "."

    def _files_of(self, source: Source, place: Path) -> Iterator[tuple[str, Path, str]]:
        """The files of weights at `place`: path in their folder, where it is, and digest if the cache knows it."""
        manifest = self.cache.find(str(source)) if isinstance(source, RemoteSource) else None
        if manifest:
            start = len(manifest.root) - len(place.name) if place.is_file() else len(f"{manifest.root}/") if manifest.root else 0
            yield from ((file.path[start:], self.cache.blob(file.sha256), file.sha256) for file in manifest.files)
        elif place.is_file():
            yield place.name, place, ""
        else:
            yield from ((path, file, "") for path, file in _files_in(place, set()))

    def _describe_version(self, root: str) -> None:
        """Add a version.yaml if something must be said that the files alone don't say."""
        file = self.version.folder / VERSION_FILE
        said = Document.read(file).fields if self.version.folder != self.model.folder and file.is_file() else {}
        fields = {name: value for name, value in said.items() if name not in {"source", "sha256"}}
        inside = sorted({path.split("/")[1] for path in self.layers if path.startswith(f"{self.folder}/")})
        if root and root != (inside[0] if len(inside) == 1 else "."):  # what would be taken if nothing were said
            fields["source"] = root
        if fields or not inside:
            self._add_text(f"{self.folder}/{VERSION_FILE}", fields)

    def _leave_out_others(self) -> None:
        file = self.model.file
        if file.name in self.layers and file.suffix == ".yaml":
            fields = Document.read(file).fields
            if _ABOUT_OTHERS & fields.keys():
                self._add_text(file.name, {name: value for name, value in fields.items() if name not in _ABOUT_OTHERS})

    def _add_text(self, path: str, fields: Mapping[str, object]) -> None:
        content = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=120).encode()
        self._put(path, content, described(content, modelpack.media_type_of(path)))

    def _add(self, path: str, file: Path, sha256: str = "") -> None:
        if path in self.layers:
            raise ConfigurationError(f"{self.model.name}:{self.version.number} has two files {path!r}: rename one of them.")
        if file.exists() and not file.is_file():
            raise ConfigurationError(f"{file} is neither a file nor a folder, so no artifact can hold it.")
        try:
            size = file.stat().st_size
            sha256 = sha256 or self.cache.digest_of(file, self.progress if size >= _WORTH_SHOWING else Silent())
        except OSError as error:
            raise ConfigurationError(f"{file} can't be read: {error.strerror or error}.") from None
        self._put(path, file, Descriptor(media_type=modelpack.media_type_of(path), digest=f"sha256:{sha256}", size=size))

    def _put(self, path: str, content: Path | bytes, blob: Descriptor) -> None:
        annotations = {modelpack.FILE_PATH: path, modelpack.GUESSED: "true", TITLE: path}
        descriptor = Descriptor(media_type=blob.media_type, digest=blob.digest, size=blob.size, annotations=annotations)
        self.layers[path] = Layer(descriptor, content, path)


def _files_in(folder: Path, left_out: set[str]) -> Iterator[tuple[str, Path]]:
    """The files below `folder` by their paths in it, without hidden ones and those at the top that are named in `left_out`."""
    for place, folders, names in os.walk(folder):
        at = Path(place)
        top = at == folder
        for name in folders:
            if (at / name).is_symlink() and not _is_left_out(name, left_out if top else set()):
                raise ConfigurationError(f"{at / name} is a link to a folder. Put the folder itself there.")
        folders[:] = [name for name in folders if not _is_left_out(name, left_out if top else set())]
        for name in names:
            if not _is_left_out(name, left_out if top else set()):
                yield (at / name).relative_to(folder).as_posix(), at / name


def _is_left_out(name: str, left_out: set[str]) -> bool:
    return name in left_out or name.startswith((".", "__pycache__"))
