"""An entry of an artifact: its texts are copied into a repository, its weights stay in the cache."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from jubako.errors import ConfigurationError
from jubako.oci.reference import Reference
from jubako.repository.cache import Cache, StoredFile
from jubako.repository.document import Document
from jubako.repository.entry import MODEL_FILE, is_entry, is_entry_name
from jubako.repository.source import RegistrySource
from jubako.repository.triton.translation import CONFIG_FILE
from jubako.repository.versions import VERSION_FILE

_OF_VERSION = re.compile(r"[1-9][0-9]{0,8}/")


@dataclass(frozen=True)
class Added:
    """What was added to a repository.

    Attributes:
        kept: The entry was there, and its own files were left as they are although the artifact has others.
        present: The version was there already, the same.
    """

    name: str
    number: int
    folder: Path
    kept: bool
    present: bool = False


@dataclass(frozen=True)
class Fetched:
    """An artifact whose files are in the cache.

    Attributes:
        reference: By digest.
        model: The name that it gives its model.
        weights_folder: The folder of its weights; empty if it has none.
    """

    reference: Reference
    model: str
    weights_folder: str
    files: Sequence[StoredFile]


def add_entry(artifact: Fetched, cache: Cache, repository: Path) -> Added:
    """Add the version that an artifact holds to a repository; an entry of the same name gets another version.

    Args:
        repository: Made if it is not there.

    Raises:
        ConfigurationError: the artifact holds no entry, or the repository has another version of that number.
    """
    return _Addition(artifact, cache, repository).add()


class _Addition:
    def __init__(self, artifact: Fetched, cache: Cache, repository: Path) -> None:
        self.artifact = artifact
        self.cache = cache
        self.repository = repository
        files = [file for file in artifact.files if not _is_hidden(file.path)]
        self.general = {file.path: file for file in files if not _OF_VERSION.match(file.path)}
        self.particular = {file.path.partition("/")[2]: file for file in files if _OF_VERSION.match(file.path)}
        numbers = {int(file.path.partition("/")[0]) for file in self.particular.values()}
        if not {MODEL_FILE, CONFIG_FILE} & self.general.keys() or len(numbers) != 1:
            raise ConfigurationError(
                f"{artifact.reference} holds no entry with one version, as `jubako push` makes them. It may be the source of a "
                f"version: `source: {artifact.reference.source}`."
            )
        if not is_entry_name(artifact.model):
            raise ConfigurationError(
                f"{artifact.reference} calls its model {artifact.model[:80]!r}, which can't be the name of an entry."
            )
        self.name, self.number = artifact.model, numbers.pop()
        self.entry = repository / self.name

    def add(self) -> Added:
        folder = self.entry / str(self.number)
        try:
            if folder.exists():
                self._check_same(folder)
                return Added(self.name, self.number, folder, kept=not self._holds(self.entry, self.general), present=True)
            self.repository.mkdir(parents=True, exist_ok=True)
            if is_entry(self.entry):
                self._make(folder, self._write_version)
                return Added(self.name, self.number, folder, kept=not self._holds(self.entry, self.general))
            self._make(self.entry, self._write_entry)
        except OSError as error:
            raise ConfigurationError(f"{self.entry} can't be written: {error.strerror or error}.") from error
        return Added(self.name, self.number, folder, kept=False)

    def _make(self, folder: Path, write: Callable[[Path], None]) -> None:
        """Whoever reads the repository meanwhile sees the whole folder or none."""
        building = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(building, ignore_errors=True)
        try:
            building.mkdir()
            write(building)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _write_entry(self, folder: Path) -> None:
        self._copy(self.general, folder)
        (folder / str(self.number)).mkdir()
        self._write_version(folder / str(self.number))

    def _write_version(self, folder: Path) -> None:
        self._copy(self._own_files(), folder)
        if self.artifact.weights_folder:
            (folder / VERSION_FILE).write_bytes(self._description())

    def _check_same(self, folder: Path) -> None:
        """
        Raises:
            ConfigurationError: the version that is there is another one.
        """
        same = self._holds(folder, self._own_files())
        if self.artifact.weights_folder:
            file = folder / VERSION_FILE
            same = same and file.is_file() and file.read_bytes() == self._description()
        if not same:
            raise ConfigurationError(
                f"{self.repository} has another {self.name}:{self.number} already. To take this one, remove {folder}."
            )

    def _own_files(self) -> Mapping[str, StoredFile]:
        """The files of the version that are copied, by their paths in it: neither weights, nor what says where they are."""
        if not self.artifact.weights_folder:
            return self.particular
        inside = f"{self.artifact.weights_folder}/"
        return {path: file for path, file in self.particular.items() if path != VERSION_FILE and not file.path.startswith(inside)}

    def _description(self) -> bytes:
        """The version.yaml of a version whose weights are elsewhere."""
        described = self.particular.get(VERSION_FILE)
        said = Document.read(self.cache.blob(described.sha256)).fields if described else {}
        fields = {**said, "source": str(RegistrySource(self.artifact.reference))}
        return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=200).encode()

    def _copy(self, files: Mapping[str, StoredFile], folder: Path) -> None:
        for path, file in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.cache.blob(file.sha256), target)

    def _holds(self, folder: Path, files: Mapping[str, StoredFile]) -> bool:
        """Whether `folder` has these files."""
        for path, file in files.items():
            there = folder / path
            if not there.is_file() or there.read_bytes() != self.cache.blob(file.sha256).read_bytes():
                return False
        return True


def _is_hidden(path: str) -> bool:
    """Artifacts of ours have no such files, and some mean something to tools that run in a folder, such as ``.git/config``."""
    return any(part.startswith(".") for part in path.split("/"))
