"""The aliases of an entry's versions: those that its model.yaml declares, and over them those that were set while it was served.

The latter are kept beside model.yaml in ``aliases.yaml``, a mapping of aliases to numbers; ``null`` takes away what model.yaml
declares.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jubako.errors import Conflict
from jubako.model_names import WHAT_AN_ALIAS_IS, is_alias
from jubako.repository.document import Document
from jubako.repository.problem import Problem, shown_value

ALIASES_FILE = "aliases.yaml"

_HEAD = "# Set by `jubako alias`; goes before `aliases` of model.yaml.\n"


@dataclass(frozen=True)
class Aliases:
    """What a file of aliases says.

    Attributes:
        numbers: Of versions, by alias; None for an alias that was taken away.
    """

    document: Document
    numbers: Mapping[str, int | None] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def over(self, declared: Mapping[str, int]) -> dict[str, int]:
        """The aliases that there are, where model.yaml declares some."""
        return {alias: number for alias, number in {**declared, **self.numbers}.items() if number is not None}


def read_aliases(folder: Path) -> Aliases:
    """What was set for the entry in `folder`; nothing where the file is not there.

    Raises:
        OSError: the file can't be read.
    """
    file = folder / ALIASES_FILE
    document = Document.read(file) if file.is_file() else Document(file)
    found: dict[str, int | None] = {}
    problems = list(document.problems)
    for alias, number in document.fields.items():
        if not is_alias(alias):
            problems.append(document.problem((alias,), f"The alias {alias!r} can't be: {WHAT_AN_ALIAS_IS}."))
        elif number is None or (isinstance(number, int) and not isinstance(number, bool) and number > 0):
            found[alias] = number
        else:
            what = f"The alias {alias!r} must mean a version's number, or null for none; it is {shown_value(number)}."
            problems.append(document.problem((alias,), what))
    return Aliases(document, found, tuple(problems))


def keep_alias(folder: Path, alias: str, number: int | None, declared: Collection[str]) -> None:
    """Have `alias` mean the version `number` from now on, or nothing. It is on the disk when this returns.

    Args:
        declared: The aliases of model.yaml.

    Raises:
        Conflict: the file can't be read or written; nothing has changed.
    """
    try:
        before = read_aliases(folder)
        if before.problems:
            raise Conflict(f"The alias {alias!r} can't be kept, and nothing was changed: {before.problems[0]}")
        _write(folder, {**before.numbers, alias: number}, declared)
    except OSError as error:
        raise Conflict(
            f"The alias {alias!r} can't be kept, and nothing was changed: {error.filename or folder / ALIASES_FILE} can't be "
            f"written ({error.strerror}). Let the server write into the folder of {folder.name!r}, or declare "
            "the alias in its model.yaml and load it."
        ) from None


def _write(folder: Path, changed: Mapping[str, int | None], declared: Collection[str]) -> None:
    kept = {name: value for name, value in changed.items() if value is not None or name in declared}
    lines = (f"{name}: {'null' if value is None else value}\n" for name, value in sorted(kept.items()))
    file = folder / ALIASES_FILE
    temporary = folder / f".{ALIASES_FILE}"
    with temporary.open("w", encoding="utf-8") as content:
        content.write(_HEAD + "".join(lines))
        content.flush()
        os.fsync(content.fileno())
    temporary.rename(file)
    _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
