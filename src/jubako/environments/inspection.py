"""Whether an environment is still what it was made as."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from jubako.environments.construction import installed_versions
from jubako.environments.interpreters import import_errors
from jubako.environments.recipe import INSTANCE, lock_of, recipe_of
from jubako.environments.record import Environments, Record
from jubako.errors import ConfigurationError


class Inspection(Struct, frozen=True):
    """What was found.

    Attributes:
        versions: Of the packages that carry the modules, or all that are installed, by their names.
        errors: Why it can't be used, as sentences; empty if it can.
        differences: Packages whose version is not the lock's, as sentences.
    """

    versions: dict[str, str]
    errors: list[str]
    differences: list[str]


def inspect(record: Record, environments: Environments) -> Inspection:
    """Import the engine there, which may take a minute, and compare what is installed with the lock."""
    python = environments.interpreter(record.name)
    modules = [*recipe_of(INSTANCE).modules, *recipe_of(record.backend).modules]
    try:
        errors = import_errors(python, list(dict.fromkeys(modules)))
        versions = installed_versions(python, environments.root)
    except ConfigurationError as error:
        return Inspection(record.versions, [error.message], [])
    return Inspection(
        versions,
        [f"{module} can't be imported: {reason}" for module, reason in errors.items()],
        _differences(versions, lock_of(record.backend, record.variant)),
    )


def _differences(versions: dict[str, str], lock: Path) -> list[str]:
    try:
        pinned = _pinned(lock.read_text(encoding="utf-8"))
    except OSError:
        return ["This version of jubako has no lock for it."]
    return [
        f"{name} is {version}; the lock says {' or '.join(sorted(pinned[key]))}."
        for name, version in sorted(versions.items())
        # The part after + tells builds of one version apart, such as 2.13.0+cpu.
        if (key := _canonical(name)) in pinned and version.partition("+")[0] not in pinned[key]
    ]


def _pinned(lock: str) -> dict[str, set[str]]:
    """The versions of each package; there may be several, for several versions of Python."""
    pinned: dict[str, set[str]] = {}
    for line in lock.splitlines():
        name, _, version = line.partition(";")[0].strip().partition("==")
        pinned.setdefault(_canonical(name), set()).add(version)
    return pinned


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
