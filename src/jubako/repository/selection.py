"""Which entries are loaded when the server starts."""

from __future__ import annotations

from collections.abc import Mapping

from jubako.errors import ConfigurationError
from jubako.model_names import without_version
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


def entry_named(name: str, names: Mapping[str, str]) -> str | None:
    """The entry that a request for `name` would reach, which may end with a version.

    Args:
        names: Entries, by each name that they have.
    """
    return names.get(name) or names.get(without_version(name))


def _names(repository: Repository) -> dict[str, str]:
    names = {name: model.name for model in repository.models.values() for name in model.served_names}
    return names | {name: name for name in repository.broken}


def _listed(load: str) -> list[str]:
    return [name.strip() for name in load.split(",") if name.strip()]
