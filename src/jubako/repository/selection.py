"""Which entries are loaded when the server starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jubako.errors import ConfigurationError
from jubako.model_names import version_name, without_version
from jubako.repository.model import Model
from jubako.repository.problem import nearest
from jubako.repository.repository import Repository

EVERY = "*"
"""In the setting `load`: every entry."""


def selected(repository: Repository, load: str) -> frozenset[str]:
    """The entries that are loaded at the start, with all that they need.

    Args:
        load: The setting: names with commas between them, ``*`` for all; empty for what the entries themselves say. Names that no
            entry has are passed over; :func:`check_names` refuses them.
    """
    names = _names(repository)
    wanted = _listed(load)
    if EVERY in wanted:
        return frozenset(names.values())
    if wanted:
        ahead = [entry for name in wanted if (entry := entry_named(name, names))]
    else:
        ahead = [model.name for model in repository.models.values() if model.config.autoload]
    chosen: set[str] = set()
    while ahead:
        entry = ahead.pop()
        if entry not in chosen:
            chosen.add(entry)
            needs = repository.models[entry].needs if entry in repository.models else ()
            ahead += [needed for name in needs if (needed := entry_named(name, names))]
    return frozenset(chosen)


def check_names(repository: Repository, load: str) -> None:
    """
    Raises:
        ConfigurationError: the setting `load` has a name that no entry has; the sentence says the nearest.
    """
    names = _names(repository)
    for name in _listed(load):
        if name != EVERY and entry_named(name, names) is None:
            raise ConfigurationError(
                f"--load names {name!r}, and there is no such model in {repository.root}. {nearest(name, names)}".rstrip()
            )
    for model in repository.models.values():
        for number in _numbers(model, load):
            if number not in {version.number for version in model.versions} | model.broken_versions.keys():
                has = ", ".join(str(version.number) for version in model.versions)
                raise ConfigurationError(f"--load names version {number} of {model.name}, which has: {has}.")


def with_versions(model: Model, load: str) -> Model:
    """`model` with no versions chosen but those that the setting `load` names by number; as it is if that names none."""
    numbers = _numbers(model, load)
    if not numbers:
        return model
    aliases = {alias: number for alias, number in model.aliases.items() if number in numbers}
    return replace(model, policy_numbers=tuple(numbers), aliases=aliases)


def entry_named(name: str, names: Mapping[str, str]) -> str | None:
    """The entry that a request for `name` would reach, which may end with a version.

    Args:
        names: Entries, by each name that they have.
    """
    return names.get(name) or names.get(without_version(name))


def _names(repository: Repository) -> dict[str, str]:
    names = {name: model.name for model in repository.models.values() for name in model.served_names}
    return names | {name: name for name in repository.broken}


def _numbers(model: Model, load: str) -> list[int]:
    """The versions of `model` that `load` names by number."""
    named = (version_name(name) for name in _listed(load) if name not in model.served_names)
    return sorted({int(name.number) for name in named if name and name.number and name.model in model.served_names})


def _listed(load: str) -> list[str]:
    return [name.strip() for name in load.split(",") if name.strip()]
