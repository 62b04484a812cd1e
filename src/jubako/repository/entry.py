"""One entry of the repository: a folder with a model.yaml and numbered version folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args

from jubako.errors import ConfigurationError
from jubako.messages import Task
from jubako.repository.config import ModelConfig
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.document import Document
from jubako.repository.model import Model, Version
from jubako.repository.problem import FieldPath, Problem, nearest
from jubako.repository.source import FileSource, HubSource, LocalSource, PackageSource, Source, UrlSource, parse_source
from jubako.repository.template import read_template
from jubako.repository.validation import Checked, check_engine, check_model, check_version

MODEL_FILE = "model.yaml"
VERSION_FILE = "version.yaml"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_NEARLY_NUMBER = re.compile(r"(v|version)?[-_.]?[0-9][0-9.]*", re.IGNORECASE)

Pins: TypeAlias = str | Mapping[str, str] | None


@dataclass(frozen=True)
class Entry:
    """What became of one folder. `model` is None exactly where there are problems; `served_names` maps each to its line."""

    name: str
    file: Path
    model: Model | None
    problems: tuple[Problem, ...]
    served_names: Mapping[str, int]


def read_entry(folder: Path, backends: Mapping[str, BackendDeclaration]) -> Entry:
    """Read and check one entry; whatever is wrong with it becomes a problem."""
    try:
        return _Reader(folder, backends).read()
    except OSError as error:
        file = folder / MODEL_FILE
        what = f"The entry can't be read: {error.strerror or error} ({error.filename})."
        return Entry(folder.name, file, None, (Problem(file, 1, what),), {})


class _Reader:
    def __init__(self, folder: Path, backends: Mapping[str, BackendDeclaration]) -> None:
        self.folder = folder
        self.backends = backends
        self.file = folder / MODEL_FILE
        self.document = Document(self.file)
        self.problems: list[Problem] = []

    def read(self) -> Entry:
        if not self.file.is_file():
            self._note_missing_file()
            return Entry(self.folder.name, self.file, None, tuple(self.problems), {})
        self._check_folder_name()
        self.document = Document.read(self.file)
        self.problems += self.document.problems
        if self.problems and not self.document.fields:  # unreadable: whatever else might be said follows from that
            return Entry(self.folder.name, self.file, None, tuple(self.problems), {})
        config = self._config()
        declaration = self._declaration()
        if declaration:
            self._check_tasks(declaration)
        template = self._chat_template()
        served_names = self._served_names()
        versions = self._versions(declaration)
        model = None
        if config and declaration and not self.problems:
            model = Model(
                name=self.folder.name,
                folder=self.folder,
                config=config,
                declaration=declaration,
                tasks=tuple(config.tasks or declaration.default_tasks),
                served_names=(self.folder.name, *(name for name in served_names if name != self.folder.name)),
                chat_template=template,
                versions=tuple(versions),
            )
        return Entry(self.folder.name, self.file, model, tuple(dict.fromkeys(self.problems)), served_names)

    # --- the folder

    def _note_missing_file(self) -> None:
        wrong = next(
            (self.folder / name for name in ("model.yml", "config.yaml", "model.json") if (self.folder / name).exists()), None
        )
        hint = (
            f"Rename {wrong.name} to {MODEL_FILE}."
            if wrong
            else f"Write one that begins with `backend: {next(iter(self.backends), '')}`."
        )
        self.problems.append(Problem(self.file, 1, f"The entry {self.folder.name!r} has no {MODEL_FILE}. {hint}"))

    def _check_folder_name(self) -> None:
        if not _NAME.fullmatch(self.folder.name):
            message = (
                f"The folder's name {self.folder.name!r} may have letters, digits, dots, hyphens and underscores, and must begin "
                "with a letter or digit. Names of another form belong under `served_names`."
            )
            self.problems.append(Problem(self.file, 1, message))

    # --- model.yaml

    def _config(self) -> ModelConfig | None:
        checked = check_model(self.document.fields)
        self._take_faults(checked, self.document)
        return checked.value

    def _declaration(self) -> BackendDeclaration | None:
        name = self.document.fields.get("backend")
        if not isinstance(name, str):
            return None  # said already
        if name not in self.backends:
            hint = nearest(name, self.backends)
            self._problem(("backend",), f"There is no backend {name!r}. {hint}")
        return self.backends.get(name)

    def _check_tasks(self, declaration: BackendDeclaration) -> None:
        tasks = self.document.fields.get("tasks")
        for index, task in enumerate(tasks if isinstance(tasks, list) else []):
            if task in get_args(Task) and task not in declaration.tasks:
                can = ", ".join(declaration.tasks)
                self._problem(("tasks", index), f"The backend {declaration.name!r} can't serve {task!r}; it serves: {can}.")

    def _chat_template(self) -> str | None:
        text = self.document.fields.get("chat_template")
        if not isinstance(text, str):
            return None
        template = read_template(text, self.folder, self.file, self.document.line(("chat_template",)))
        self.problems += template.problems
        return template.text

    def _served_names(self) -> dict[str, int]:
        names = self.document.fields.get("served_names")
        lines: dict[str, int] = {}
        for index, name in enumerate(names if isinstance(names, list) else []):
            path: FieldPath = ("served_names", index)
            if not isinstance(name, str) or not name:
                continue  # said already
            if not name.isprintable() or any(char.isspace() for char in name):
                self._problem(path, f"The name {name!r} has spaces or characters that can't be printed.")
            elif name in lines:
                self._problem(path, f"The name {name!r} is listed twice; it is already on line {lines[name]}.")
            else:
                lines[name] = self.document.line(path)
        return lines

    # --- versions

    def _versions(self, declaration: BackendDeclaration | None) -> list[Version]:
        numbers: list[int] = []
        nearly: list[Problem] = []
        for folder in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            if _NUMBER.fullmatch(folder.name):
                numbers.append(int(folder.name))
            elif _NEARLY_NUMBER.fullmatch(folder.name):
                what = (
                    f"A version's folder is named by a whole number from 1 without zeros in front, such as `1`; this one is "
                    f"{folder.name!r}. Rename it."
                )
                nearly.append(Problem(folder, 1, what))
        self.problems += nearly
        if not numbers and not nearly:
            self._problem(
                (),
                f"The entry has no version. Make the folder {self.folder.name}/1, with the weights or a {VERSION_FILE} in it.",
            )
        if declaration and not numbers:
            self._engine(declaration, Document(self.file))
        found = [self._version(number, declaration) for number in sorted(numbers)]
        return [version for version in found if version]

    def _version(self, number: int, declaration: BackendDeclaration | None) -> Version | None:
        folder = self.folder / str(number)
        file = folder / VERSION_FILE
        document = Document.read(file) if file.is_file() else Document(file)
        self.problems += document.problems
        self._take_faults(check_version(document.fields), document)
        engine = self._engine(declaration, document) if declaration else None
        source, pins = self._weights(folder, document, declaration)
        if engine is None:
            return None
        return Version(model_name=self.folder.name, number=number, folder=folder, source=source, sha256=pins, engine=engine)

    def _engine(self, declaration: BackendDeclaration, document: Document) -> dict[str, object] | None:
        """The parameters of model.yaml with those of version.yaml over them; a fault is reported where the value stands."""
        general, particular = self.document.fields.get("engine", {}), document.fields.get("engine", {})
        if not isinstance(general, dict) or not isinstance(particular, dict):
            return None  # said already
        checked = check_engine(declaration.params, {**general, **particular})
        for fault in checked.faults:
            here = len(fault.path) > 1 and fault.path[1] in particular
            self.problems.append((document if here else self.document).problem(fault.path, fault.message))
        return checked.value

    def _weights(self, folder: Path, document: Document, declaration: BackendDeclaration | None) -> tuple[Source | None, Pins]:
        """Where the weights come from, and the digests that go with that: those of model.yaml go with its own source."""
        said = document if isinstance(document.fields.get("source"), str) else self.document
        pinned = document if document.fields.get("sha256") or said is document else self.document
        text, pins = said.fields.get("source"), _pins(pinned)
        if isinstance(text, str):
            source = self._parse(text, said)
        else:
            source = _what_lies_in(folder)
            if source is None and declaration and declaration.needs_weights:
                self._note_missing_weights(folder, document, declaration)
        if source:
            self._check_present(source, folder, said)
            self._check_pins(source, folder, pins, pinned)
        return source, pins

    def _note_missing_weights(self, folder: Path, document: Document, declaration: BackendDeclaration) -> None:
        what = (
            f"Version {folder.name} has no weights, which the backend {declaration.name!r} needs: put them into "
            f"{self.folder.name}/{folder.name}, or say `source` in {VERSION_FILE} or {MODEL_FILE}."
        )
        self.problems.append(Problem(document.file if document.fields else self.file, 1, what))

    def _parse(self, text: str, said: Document) -> Source | None:
        try:
            return parse_source(text)
        except ConfigurationError as error:
            self.problems.append(said.problem(("source",), error.message))
            return None

    def _check_present(self, source: Source, folder: Path, said: Document) -> None:
        path = _local(source, folder)
        if path and not path.exists():
            self.problems.append(said.problem(("source",), f"`source` names {str(source)!r}, but there is nothing at {path}."))

    def _check_pins(self, source: Source, folder: Path, pins: Pins, said: Document) -> None:
        path = _local(source, folder)
        is_file = isinstance(source, PackageSource | UrlSource) or bool(path and path.is_file())
        is_folder = (isinstance(source, HubSource) and source.file is None) or bool(path and path.is_dir())
        if isinstance(pins, str) and is_folder:
            what = "`sha256` is one digest, but the source is a folder: write a mapping from each file's path to its digest."
            self.problems.append(said.problem(("sha256",), what))
        if isinstance(pins, Mapping) and is_file:
            what = "`sha256` is a mapping, but the source is one file: write its digest alone."
            self.problems.append(said.problem(("sha256",), what))

    # --- problems

    def _take_faults(self, checked: Checked[object], document: Document) -> None:
        self.problems += [document.problem(fault.path, fault.message) for fault in checked.faults]

    def _problem(self, path: FieldPath, message: str) -> None:
        self.problems.append(self.document.problem(path, message))


def _what_lies_in(folder: Path) -> Source | None:
    """The one file or folder beside version.yaml, or the version folder itself if there are more."""
    names = sorted(path.name for path in folder.iterdir() if path.name != VERSION_FILE and not path.name.startswith("."))
    if not names:
        return None
    return LocalSource(names[0] if len(names) == 1 else ".")


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
