"""The version folders of an entry. What is wrong with one of them breaks it and no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from jubako.errors import ConfigurationError
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.document import Document
from jubako.repository.model import Version
from jubako.repository.problem import Problem
from jubako.repository.source import FileSource, HubSource, LocalSource, Source, UrlSource, moving, parse_source
from jubako.repository.validation import check_engine, check_version

VERSION_FILE = "version.yaml"

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_NEARLY_NUMBER = re.compile(r"(v|version)?[-_.]?[0-9][0-9.]*", re.IGNORECASE)

Pins: TypeAlias = str | Mapping[str, str] | None


@dataclass(frozen=True)
class Versions:
    """The versions of one entry.

    Attributes:
        good: Those without faults, ascending by number.
        broken: Those with faults, by number.
        present: The numbers of those that are there, broken or not.
        problems: What is wrong with all of them: the names of their folders, or that there is none.
    """

    good: list[Version] = field(default_factory=list)
    broken: dict[int, tuple[Problem, ...]] = field(default_factory=dict)
    present: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def version_numbers(folder: Path) -> list[int]:
    """The versions that have a folder, ascending."""
    return sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name) and path.is_dir())


def odd_folders(folder: Path) -> list[Path]:
    """The folders that were perhaps meant for a version, and are none."""
    names = (path for path in folder.iterdir() if path.is_dir() and not _NUMBER.fullmatch(path.name))
    return sorted(path for path in names if _NEARLY_NUMBER.fullmatch(path.name))


def read_versions(
    folder: Path, document: Document, declaration: BackendDeclaration | None, named: Mapping[int, Problem]
) -> Versions:
    """The versions in the entry's folder.

    Args:
        document: What the entry says for all of them.
        declaration: The entry's backend; None if it has none, which has been reported.
        named: The versions that must be there, by number, with what is wrong if they are not.
    """
    numbers = version_numbers(folder)
    problems = [] if numbers else [_no_version(folder, document)]
    if not numbers and declaration and not declaration.needs_weights and "source" not in document.fields:
        # Without weights the folder may be empty, and Git keeps no empty folders.
        numbers, problems = [1], []
    found = Versions(present=numbers, problems=problems)
    for number in numbers:
        reader = _Reader(folder, number, document, declaration)
        version = reader.read()
        if version and not reader.problems:
            found.good.append(version)
        else:
            found.broken[number] = tuple(dict.fromkeys(reader.problems))
    found.broken.update({number: (problem,) for number, problem in named.items() if number not in numbers})
    return found


def _no_version(folder: Path, document: Document) -> Problem:
    what = f"The entry has no version. Make the folder {folder.name}/1, with the weights or a {VERSION_FILE} in it."
    return document.problem((), what)


def odd_folder_problem(folder: Path) -> Problem:
    what = (
        "A version's folder is named by a whole number from 1 without zeros in front, such as `1`; this one is "
        f"{folder.name!r}. Rename it."
    )
    return Problem(folder, 1, what)


class _Reader:
    def __init__(self, entry: Path, number: int, general: Document, declaration: BackendDeclaration | None) -> None:
        self.entry = entry
        self.number = number
        # A version that needs no folder of its own has the entry's.
        self.folder = entry / str(number) if (entry / str(number)).is_dir() else entry
        self.general = general
        self.declaration = declaration
        self.problems: list[Problem] = []

    def read(self) -> Version | None:
        file = self.folder / VERSION_FILE
        particular = Document.read(file) if file.is_file() else Document(file)
        self.problems += particular.problems
        self.problems += [particular.problem(fault.path, fault.message) for fault in check_version(particular.fields).faults]
        engine = self._engine(particular)
        source, pins = self._weights(particular)
        unpinned = self._unpinned(source, particular) if source and not pins else None
        if engine is None:
            return None
        return Version(
            model_name=self.entry.name,
            number=self.number,
            folder=self.folder,
            source=source,
            sha256=pins,
            engine=engine,
            convert=self._convert(particular),
            unpinned=unpinned,
        )

    def _engine(self, particular: Document) -> dict[str, Any] | None:
        """The parameters of the entry with those of version.yaml over them; a fault is reported where the value stands."""
        general, over = self.general.fields.get("engine", {}), particular.fields.get("engine", {})
        if self.declaration is None or not isinstance(general, dict) or not isinstance(over, dict):
            return None  # said already
        checked = check_engine(self.declaration.params, {**general, **over})
        for fault in checked.faults:
            here = len(fault.path) > 1 and fault.path[1] in over
            self.problems.append((particular if here else self.general).problem(fault.path, fault.message))
        return checked.value

    def _convert(self, particular: Document) -> Literal["gguf-to-hf"] | None:
        """What is made of the weights; other words have been reported."""
        said = particular.fields.get("convert") or self.general.fields.get("convert")
        return "gguf-to-hf" if said == "gguf-to-hf" else None

    def _weights(self, particular: Document) -> tuple[Source | None, Pins]:
        """Where the weights come from, and the digests that go with that: those of the entry go with its own source."""
        said = self._says_source(particular)
        pinned = particular if particular.fields.get("sha256") or said is particular else self.general
        text, pins = said.fields.get("source"), _pins(pinned)
        if isinstance(text, str):
            source = self._parse(text, said)
        else:
            source = self._what_lies_there()
            if source is None and self.declaration and self.declaration.needs_weights:
                self._note_missing_weights(particular)
        if source:
            self._check_present(source, said)
            self._check_pins(source, pins, pinned)
        return source, pins

    def _says_source(self, particular: Document) -> Document:
        return particular if isinstance(particular.fields.get("source"), str) else self.general

    def _unpinned(self, source: Source, particular: Document) -> Problem | None:
        if not (what := moving(source)):
            return None
        message = f"`source` names {what}: whoever fetches it then gets other weights."
        return self._says_source(particular).problem(("source",), message)

    def _what_lies_there(self) -> Source | None:
        """The one file or folder beside version.yaml, or the version folder itself if there are more."""
        if self.folder == self.entry:
            return None
        names = sorted(
            path.name
            for path in self.folder.iterdir()
            if path.name != VERSION_FILE and not path.name.startswith((".", "__pycache__"))
        )
        if not names:
            return None
        return LocalSource(names[0] if len(names) == 1 else ".")

    def _note_missing_weights(self, particular: Document) -> None:
        assert self.declaration
        what = (
            f"Version {self.number} has no weights, which the backend {self.declaration.name!r} needs: put them into "
            f"{self.entry.name}/{self.number}, or say `source` in {VERSION_FILE} or {self.general.file.name}."
        )
        self.problems.append(Problem(particular.file if particular.fields else self.general.file, 1, what))

    def _parse(self, text: str, said: Document) -> Source | None:
        try:
            return parse_source(text)
        except ConfigurationError as error:
            self.problems.append(said.problem(("source",), error.message))
            return None

    def _check_present(self, source: Source, said: Document) -> None:
        path = _local(source, self.folder)
        if path and not path.exists():
            self.problems.append(said.problem(("source",), f"`source` names {str(source)!r}, but there is nothing at {path}."))

    def _check_pins(self, source: Source, pins: Pins, said: Document) -> None:
        path = _local(source, self.folder)
        is_file = isinstance(source, UrlSource) or bool(path and path.is_file())
        is_folder = (isinstance(source, HubSource) and source.file is None) or bool(path and path.is_dir())
        if isinstance(pins, str) and is_folder:
            what = "`sha256` is one digest, but the source is a folder: write a mapping from each file's path to its digest."
            self.problems.append(said.problem(("sha256",), what))
        if isinstance(pins, Mapping) and is_file:
            what = "`sha256` is a mapping, but the source is one file: write its digest alone."
            self.problems.append(said.problem(("sha256",), what))


def _pins(document: Document) -> Pins:
    """`sha256` as the document says it; digests that are none have been reported."""
    pins = document.fields.get("sha256")
    if isinstance(pins, dict):
        return {path: digest for path, digest in pins.items() if isinstance(digest, str)}
    return pins if isinstance(pins, str) else None


def _local(source: Source, folder: Path) -> Path | None:
    if isinstance(source, LocalSource):
        return folder if source.path == "." else folder / source.path
    return Path(source.path) if isinstance(source, FileSource) else None
