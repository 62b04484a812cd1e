"""The whole repository, read and checked: one bad entry breaks itself and no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jubako.errors import ConfigurationError
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.entry import Entry, is_entry, read_entry
from jubako.repository.model import Model, Version
from jubako.repository.problem import Problem

__all__ = ["Model", "Problem", "Repository", "Version", "read_repository"]


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What a repository folder holds.

    Attributes:
        models: The entries without faults, by name.
        broken: The entries with faults, by name, with what is wrong.
        broken_versions: By the names of entries, broken or not: the versions with faults, with what is wrong.
        problems: Everything that is wrong, by file and line.
        warnings: What the entries without faults say in vain.
    """

    root: Path
    models: dict[str, Model] = field(default_factory=dict)
    broken: dict[str, list[Problem]] = field(default_factory=dict)
    broken_versions: dict[str, dict[int, list[Problem]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def read_repository(root: Path, backends: Mapping[str, BackendDeclaration]) -> Repository:
    """Read every entry below `root`. Files beside the entries, and names that begin with a dot or ``__``, are no entries.

    Raises:
        ConfigurationError: there is no such folder, or it can't be read.
    """
    root = root.absolute()
    if not root.is_dir():
        raise ConfigurationError(
            f"There is no model repository at {root}. Make the folder with an entry such as {root.name}/my-model/model.yaml, "
            "or name another folder as the argument or with JUBAKO_REPOSITORY."
        )
    if is_entry(root):
        raise ConfigurationError(f"{root} is one model, and no repository: name the folder that holds it, {root.parent}.")
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
    except OSError as error:
        raise ConfigurationError(f"The model repository {root} can't be read: {error.strerror}.") from None
    entries = [read_entry(folder, backends) for folder in folders]
    clashes = _name_clashes(entries)
    broken = {
        entry.name: sorted({*entry.problems, *clashes[entry.name]}) for entry in entries if entry.problems or clashes[entry.name]
    }
    models = {entry.name: entry.model for entry in entries if entry.model and entry.name not in broken}
    broken_versions = {
        entry.name: {number: list(problems) for number, problems in entry.broken_versions.items()}
        for entry in entries
        if entry.broken_versions
    }
    of_versions = (problem for versions in broken_versions.values() for problems in versions.values() for problem in problems)
    return Repository(
        root=root,
        models=models,
        broken=broken,
        broken_versions=broken_versions,
        problems=sorted({*(problem for problems in broken.values() for problem in problems), *of_versions}),
        warnings=sorted(problem for model in models.values() for problem in model.warnings),
    )


def _name_clashes(entries: list[Entry]) -> defaultdict[str, list[Problem]]:
    """By entry: served names that another has too. A folder's name belongs to it; of two claims to another name neither wins."""
    folders = {entry.name for entry in entries}
    claims: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        for name in entry.served_names:
            claims[name].append(entry)
    clashes: defaultdict[str, list[Problem]] = defaultdict(list)
    for name, claimants in claims.items():
        for entry in claimants:
            line = entry.served_names[name]
            claim = f"`{'adapters' if name in entry.adapters else 'served_names'}` claims {name!r}"
            if name in folders - {entry.name}:
                what = f"{claim}, which is the name of another entry."
                clashes[entry.name].append(Problem(entry.file, line, what))
            for other in claimants:
                if other is not entry:
                    where = f"{entry_path(other)}:{other.served_names[name]}"
                    what = f"{claim}, which {where} claims too. Only one entry can have a name."
                    clashes[entry.name].append(Problem(entry.file, line, what))
    return clashes


def entry_path(entry: Entry) -> str:
    """The entry's file as neighbours call it."""
    return f"{entry.name}/{entry.file.name}"
