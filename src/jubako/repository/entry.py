"""One entry of the repository: a folder with numbered version folders, and a model.yaml or what Triton would take for one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from jubako.messages import Task
from jubako.protos import inference
from jubako.repository.aliases import Aliases, read_aliases
from jubako.repository.config import ModelConfig, TensorConfig
from jubako.repository.contradictions import BATCHING_FIELDS, TENSOR_FIELDS
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.document import Document
from jubako.repository.labels import read_labels
from jubako.repository.model import Model
from jubako.repository.model_configuration import configuration_of, shown_configuration
from jubako.repository.problem import FieldPath, Problem, nearest, shown_path
from jubako.repository.template import read_template
from jubako.repository.triton.translation import CONFIG_FILE, Translation, translate
from jubako.repository.validation import check_engine, check_model
from jubako.repository.version_policy import chosen
from jubako.repository.versions import Versions, odd_folder_problem, odd_folders, read_versions
from jubako.tensors import TensorSpec

MODEL_FILE = "model.yaml"
WARMUP_FOLDER = "warmup"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_TEXT_FIELDS = ("sampling", "chat_template")


@dataclass(frozen=True)
class Entry:
    """What became of one folder.

    Attributes:
        model: None exactly where there are problems.
        broken_versions: What is wrong with single versions, by number; those of a model may be broken beside others that are not.
        served_names: Each with its line, those of adapters too.
        adapters: The names among them that are adapters'.
    """

    name: str
    file: Path
    model: Model | None
    problems: tuple[Problem, ...] = ()
    broken_versions: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    served_names: Mapping[str, int] = field(default_factory=dict)
    adapters: frozenset[str] = frozenset()


def is_entry_name(name: str) -> bool:
    """Whether a folder with this name may be an entry."""
    return _NAME.fullmatch(name) is not None


def is_entry(folder: Path) -> bool:
    """Whether the folder has the file of an entry."""
    return any((folder / name).is_file() for name in (MODEL_FILE, CONFIG_FILE))


def read_entry(folder: Path, backends: Mapping[str, BackendDeclaration]) -> Entry:
    """Read and check one entry; whatever is wrong with it becomes a problem."""
    try:
        return _Reader(folder, backends).read()
    except OSError as error:
        file = folder / MODEL_FILE
        what = f"The entry can't be read: {error.strerror or error} ({error.filename})."
        return Entry(folder.name, file, None, (Problem(file, 1, what),))


class _Reader:
    def __init__(self, folder: Path, backends: Mapping[str, BackendDeclaration]) -> None:
        self.folder = folder
        self.backends = backends
        self.translation: Translation | None = None
        self.set_aliases: Aliases
        self.document = Document(folder / MODEL_FILE)
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def read(self) -> Entry:
        if not self._find_document():
            return self._entry(None, Versions(), {})
        self._check_folder_name()
        self.problems += self.document.problems
        if self.problems and not self.document.fields:  # unreadable: whatever else might be said follows from that
            return self._entry(None, Versions(), {})
        config = self._config()
        declaration = self._declaration()
        if declaration:
            self._check_tasks(declaration)
            self._check_kind(declaration)
        template = self._chat_template()
        served_names = self._served_names()
        served_names |= self._adapters(declaration, served_names)
        outputs = self._tensors("outputs", config.outputs if config else [])
        if config:
            self._check_warmup_files(config)
        aliases = self._aliases(config)
        versions = self._versions(declaration, self._named_versions(config, aliases))
        if not config or not declaration or self.problems or not versions.good:
            return self._entry(None, versions, served_names)
        model = Model(
            name=self.folder.name,
            folder=self.folder,
            file=self.document.file,
            config=config,
            declaration=declaration,
            tasks=tuple(config.tasks or declaration.default_tasks),
            served_names=(self.folder.name, *(name for name in served_names if name != self.folder.name)),
            chat_template=template,
            versions=tuple(versions.good),
            policy_numbers=tuple(chosen(config.versions, versions.present)),
            broken_versions=versions.broken,
            inputs=self._tensors("inputs", config.inputs),
            outputs=outputs,
            config_json=shown_configuration(self._configuration(config)),
            aliases=aliases,
            warnings=tuple(self.warnings),
        )
        return self._entry(model, versions, served_names)

    def _entry(self, model: Model | None, versions: Versions, served_names: Mapping[str, int]) -> Entry:
        wrong = [*self.problems, *(problem for problems in versions.broken.values() for problem in problems)]
        return Entry(
            name=self.folder.name,
            file=self.document.file,
            model=model,
            problems=() if model else tuple(dict.fromkeys(wrong)),
            broken_versions=versions.broken,
            served_names=served_names,
            adapters=frozenset(self._adapter_folders()),
        )

    # --- the folder

    def _find_document(self) -> bool:
        """Read what configures the entry; false if there is nothing."""
        file = self.folder / MODEL_FILE
        if file.is_file():
            self.document = Document.read(file)
            if (self.folder / CONFIG_FILE).is_file():
                what = f"The file has no effect, because {MODEL_FILE} lies beside it."
                self.warnings.append(Problem(self.folder / CONFIG_FILE, 1, what))
            return True
        self.translation = translate(self.folder, self.backends)
        if self.translation is None:
            self._note_missing_file()
            return False
        self.document = self.translation.document
        self.warnings += self.translation.warnings
        return True

    def _note_missing_file(self) -> None:
        names = ("model.yml", "config.yaml", "model.json")
        wrong = next((name for name in names if (self.folder / name).exists()), None)
        if wrong:
            hint = f"Rename {wrong} to {MODEL_FILE}."
        elif any(is_entry(path) for path in self.folder.iterdir() if path.is_dir()):
            hint = f"It holds entries of its own: to serve them, name this folder as the repository: {self.folder}."
        else:
            hint = f"Write one that begins with `backend: {next(iter(self.backends), '')}`."
        self.problems.append(Problem(self.document.file, 1, f"The entry {self.folder.name!r} has no {MODEL_FILE}. {hint}"))

    def _check_folder_name(self) -> None:
        if not is_entry_name(self.folder.name):
            message = (
                f"The folder's name {self.folder.name!r} may have letters, digits, dots, hyphens and underscores, and must begin "
                "with a letter or digit. Names of another form belong under `served_names`."
            )
            self.problems.append(Problem(self.document.file, 1, message))

    # --- model.yaml

    def _config(self) -> ModelConfig | None:
        checked = check_model(self.document.fields)
        self.problems += [self.document.problem(fault.path, fault.message) for fault in checked.faults]
        return checked.value

    def _declaration(self) -> BackendDeclaration | None:
        name = self.document.fields.get("backend")
        if not isinstance(name, str) or (self.translation and not name):
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

    def _check_kind(self, declaration: BackendDeclaration) -> None:
        """Refuse the fields of tensor models on backends for text, and the other way round."""
        foreign = _TEXT_FIELDS if declaration.tasks == ("infer",) else () if "infer" in declaration.tasks else TENSOR_FIELDS
        kind = "models of text" if foreign == _TEXT_FIELDS else "tensor models"
        for name in foreign:
            if name in self.document.fields and not (declaration.batches and name in BATCHING_FIELDS):
                serves = ", ".join(declaration.tasks)
                self._problem((name,), f"`{name}` is for {kind}; the backend {declaration.name!r} serves: {serves}.")

    def _chat_template(self) -> str | None:
        text = self.document.fields.get("chat_template")
        if not isinstance(text, str):
            return None
        template = read_template(text, self.folder, self.document.file, self.document.line(("chat_template",)))
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

    # --- adapters

    def _adapter_folders(self) -> dict[str, str]:
        """As the entry names them; what is neither text has been reported."""
        adapters = self.document.fields.get("adapters")
        named = adapters.items() if isinstance(adapters, dict) else ()
        return {name: folder for name, folder in named if isinstance(name, str) and name and isinstance(folder, str)}

    def _adapters(self, declaration: BackendDeclaration | None, served_names: Mapping[str, int]) -> dict[str, int]:
        """The adapters' names, each with its line."""
        if declaration and not declaration.adapts and "adapters" in self.document.fields:
            can = ", ".join(sorted(backend.name for backend in self.backends.values() if backend.adapts)) or "none"
            self._problem(("adapters",), f"The backend {declaration.name!r} can't use `adapters`; these can: {can}.")
        lines: dict[str, int] = {}
        for name, folder in self._adapter_folders().items():
            path: FieldPath = ("adapters", name)
            lines[name] = self.document.line(path)
            if not name.isprintable() or any(char.isspace() for char in name):
                self._problem(path, f"The name {name!r} has spaces or characters that can't be printed.")
            elif name == self.folder.name or name in served_names:
                self._problem(path, f"The adapter's name {name!r} is a name of the model itself; it needs one of its own.")
            if not (self.folder / folder).is_dir():
                self._problem(path, f"`{shown_path(path)}` names {folder!r}, but there is no folder {self.folder / folder}.")
        return lines

    # --- tensors

    def _tensors(self, field: str, tensors: list[TensorConfig]) -> tuple[TensorSpec, ...]:
        specs: list[TensorSpec] = []
        for index, tensor in enumerate(tensors):
            labels = read_labels(tensor.labels, self.folder)
            if labels.fault:
                self._problem((field, index, "labels"), f"`{field}[{index}].labels` {labels.fault}.")
            spec = TensorSpec(
                name=tensor.name,
                datatype=tensor.datatype,
                shape=tensor.shape,
                optional=tensor.optional,
                ragged=tensor.ragged,
                labels=labels.names,
                content=tensor.content,
                description=tensor.description,
            )
            specs.append(spec)
        return tuple(specs)

    def _check_warmup_files(self, config: ModelConfig) -> None:
        folder = self.folder / WARMUP_FOLDER
        for index, warmup in enumerate(config.warmup):
            for name, data in warmup.data.items():
                if data in ("zeros", "random"):
                    continue
                what = f"`warmup[{index}].data.{name}` must be zeros, random or a file in {self.folder.name}/{WARMUP_FOLDER}"
                file = folder / data
                if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
                    self._problem(("warmup", index, "data", name), f"{what}; there is no file {data!r}.")

    # --- versions

    def _aliases(self, config: ModelConfig | None) -> dict[str, int]:
        """The aliases, declared or set; faults of model.yaml's have been reported."""
        self.set_aliases = read_aliases(self.folder)
        self.problems += self.set_aliases.problems
        return self.set_aliases.over(config.aliases if config else {})

    def _named_versions(self, config: ModelConfig | None, aliases: Mapping[str, int]) -> dict[int, Problem]:
        """The versions that the entry names, with what is wrong where they are not there."""
        named: dict[int, Problem] = {}
        for alias, number in aliases.items():
            is_set = alias in self.set_aliases.numbers
            document = self.set_aliases.document if is_set else self.document
            path: FieldPath = (alias,) if is_set else ("aliases", alias)
            named[number] = document.problem(path, f"The alias {alias!r} means version {number}, but {self._no_folder(number)}.")
        for number in (config.versions.specific if config else None) or []:
            what = f"`versions` names version {number}, but {self._no_folder(number)}."
            named[number] = self.document.problem(("versions",), what)
        return named

    def _no_folder(self, number: int) -> str:
        return f"there is no folder {self.folder.name}/{number}"

    def _versions(self, declaration: BackendDeclaration | None, named: Mapping[int, Problem]) -> Versions:
        odd = [odd_folder_problem(folder) for folder in odd_folders(self.folder)]
        versions = read_versions(self.folder, self.document, declaration, named)
        if self.translation:  # Triton passes over them
            self.warnings += odd
        else:
            self.problems += odd
        if versions.problems and (self.translation or not odd):
            self.problems += versions.problems
        if declaration and versions.problems:
            self._check_engine(declaration)
        return versions

    def _check_engine(self, declaration: BackendDeclaration) -> None:
        """What `engine` says, where there is no version with which it would have been checked."""
        engine = self.document.fields.get("engine", {})
        if isinstance(engine, dict):
            faults = check_engine(declaration.params, engine).faults
            self.problems += [self.document.problem(fault.path, fault.message) for fault in faults]

    def _configuration(self, config: ModelConfig) -> inference.ModelConfig:
        given = self.translation.config if self.translation else inference.ModelConfig()
        return configuration_of(self.folder.name, config, given)

    def _problem(self, path: FieldPath, message: str) -> None:
        self.problems.append(self.document.problem(path, message))
