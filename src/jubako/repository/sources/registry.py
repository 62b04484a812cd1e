"""``oci://``: the files of an artifact, or of an image that holds nothing but a model, in a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from jubako.errors import ConfigurationError
from jubako.oci.manifest import IMAGE_CONFIGS, TITLE, Descriptor
from jubako.oci.modelpack import FILE_PATH, WEIGHTS_FILE, WEIGHTS_FOLDER
from jubako.oci.remote import RemoteRepository
from jubako.repository.cache import Cache, Manifest, StoredFile
from jubako.repository.problem import nearest
from jubako.repository.progress import Progress
from jubako.repository.source import RegistrySource, inner_path
from jubako.repository.sources.download import Download, RemoteFile
from jubako.repository.sources.layers import Change, Compression, Layer, check_readable, compression_of
from jubako.repository.sources.overlay import Overlay
from jubako.repository.versions import VERSION_FILE

EVERYTHING = "."
"""As the file of a source: all files of the artifact, and not only its weights."""

_IMAGE_FOLDER = "models"
"""Where an image that KServe calls a modelcar keeps its files."""

_GENERIC_LAYER = "application/vnd.oci.image.layer.v1.tar"
_UNPACK = "io.deis.oras.content.unpack"
"""Of a layer that ``oras`` has made of a folder: ``true``."""

_REFUSED = "The registry does not have it, or not for these credentials."


@dataclass(frozen=True)
class RegistryFiles:
    """What a source in a registry is made of.

    Attributes:
        download: Makes the download of a file, with `remote`'s client.
    """

    source: RegistrySource
    remote: RemoteRepository
    download: Callable[[RemoteFile], Download]
    cache: Cache
    progress: Progress

    def fetch(self) -> Manifest:
        """Fetch what the source names. Files that are layers of their own and are not wanted are left where they are.

        Raises:
            ConfigurationError: the registry can't be reached or refuses, has no such file, or what it has is damaged or unsafe.
        """
        descriptor, manifest = self.remote.manifest(self.source.reference.wanted)
        what = f"{self.source.reference.name}@{descriptor.digest}"
        below = _IMAGE_FOLDER if manifest.config.media_type in IMAGE_CONFIGS else ""
        start, root = self._place(manifest.annotations, what)
        wanted = root if start == EVERYTHING else start
        files, names = self._files(manifest.layers, wanted, below, what)
        chosen = {path: file for path, file in files.items() if _is_in(path, wanted)}
        if not chosen:
            raise ConfigurationError(_nothing(what, wanted, below, {*files, *names}))
        inside = 0 if start == EVERYTHING else len(f"{start}/")
        stored = [StoredFile(path[inside:], file.sha256, file.size) for path, file in chosen.items()]
        # In a folder with weights, version.yaml is none of them.
        stored = [file for file in stored if start == EVERYTHING or file.path != VERSION_FILE]
        if start != EVERYTHING and root not in {EVERYTHING, *(file.path for file in stored)}:
            raise ConfigurationError(_nothing(what, f"{start}/{root}", below, chosen))
        pinned = replace(self.source, reference=self.source.reference.pinned(descriptor.digest))
        return Manifest(str(self.source), stored, "" if root == EVERYTHING else root, str(pinned))

    def _place(self, annotations: Mapping[str, str], what: str) -> tuple[str, str]:
        """The folder that is taken for the weights', and in it what is loaded."""
        if self.source.file or WEIGHTS_FOLDER not in annotations:
            return EVERYTHING, self.source.file or EVERYTHING
        folder, file = annotations[WEIGHTS_FOLDER], annotations.get(WEIGHTS_FILE, EVERYTHING)
        return inner_path(folder, f"the artifact {what}"), inner_path(file, f"the artifact {what}")

    def _files(self, layers: Sequence[Descriptor], wanted: str, below: str, what: str) -> tuple[dict[str, StoredFile], list[str]]:
        """The files by their paths, fetched; and the paths of all that are layers of their own, fetched or not."""
        overlay = Overlay(what)
        names: dict[str, str] = {}
        folders: set[str] = set()
        for layer in layers:
            compression = None if _is_plain_file(layer) else compression_of(layer.media_type)
            if compression is not None:
                for change in self._unpacked(layer, compression, below, what):
                    overlay.apply(change)
            else:
                name = _file_name(layer, what)
                above = {str(folder) for folder in PurePosixPath(name).parents}
                folders |= above
                if name in folders or above & names.keys() or names.setdefault(name, layer.digest) != layer.digest:
                    raise ConfigurationError(f"{what} has {name!r} twice, so it can't be told which is meant.")
                if _is_in(name, wanted):
                    overlay.apply(self.download(self._remote_file(layer, name)).into_cache())
        return {path.removeprefix(f"{below}/") if below else path: file for path, file in overlay.files().items()}, list(names)

    def _unpacked(self, layer: Descriptor, compression: Compression, below: str, what: str) -> Iterator[Change]:
        name = f"layer {layer.digest[:19]}"
        check_readable(compression, f"The {name} of {what}")
        download = self.download(self._remote_file(layer, name))
        with download.alone():
            yield from Layer(download.into_partial(), compression, below, name, what).changes(self.cache, self.progress)
            download.discard()

    def _remote_file(self, layer: Descriptor, path: str) -> RemoteFile:
        return RemoteFile(path, self.remote.blob_url(layer.digest), layer.size, layer.sha256, refused=_REFUSED)


def _is_in(path: str, wanted: str) -> bool:
    return wanted in {EVERYTHING, path} or path.startswith(f"{wanted}/")


def _nothing(what: str, wanted: str, below: str, paths: Iterable[str]) -> str:
    if wanted != EVERYTHING:
        return f"{what} has no file {wanted!r}. {nearest(wanted, sorted(paths))}".rstrip()
    return f"{what} has no files{f' in /{below}' if below else ''}, so there is no model in it."


def _is_plain_file(layer: Descriptor) -> bool:
    """Whether it is one of the files that ``oras`` calls archives, because it is told of no type, though they are none."""
    is_generic = layer.media_type.startswith(_GENERIC_LAYER)
    return is_generic and TITLE in layer.annotations and layer.annotations.get(_UNPACK) != "true"


def _file_name(layer: Descriptor, what: str) -> str:
    """The path of the file that a layer is.

    Raises:
        ConfigurationError: it has none, or one that leads elsewhere.
    """
    name = layer.annotations.get(FILE_PATH) or layer.annotations.get(TITLE)
    if not name:
        raise ConfigurationError(f"The layer {layer.digest} of {what} is of the type {layer.media_type!r}, and names no file.")
    if name == EVERYTHING:
        raise ConfigurationError(f"The layer {layer.digest} of {what} is a file without a name.")
    return inner_path(name, f"the artifact {what}")
