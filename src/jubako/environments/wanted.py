"""An environment as somebody wants it: enough to name it, and to make it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from jubako.environments.recipe import Variant, instance_requirements, lock_of, recipe_of
from jubako.errors import ConfigurationError
from jubako.repository.config import EnvironmentConfig


class Wanted(Struct, frozen=True, kw_only=True):
    """What an environment is to hold.

    Attributes:
        interpreter: The Python that it is made with, and `python` its version, such as ``3.11``.
        packages: More requirements than the variant's, sorted, each once.
    """

    backend: str
    variant: str
    interpreter: str
    python: str
    packages: tuple[str, ...] = ()

    @property
    def recipe(self) -> Variant:
        return recipe_of(self.backend).variants[self.variant]

    @property
    def lock(self) -> Path:
        return lock_of(self.backend, self.variant)

    @property
    def requirements(self) -> tuple[str, ...]:
        """All but torch, where that is found apart."""
        return tuple(dict.fromkeys([*instance_requirements(), *self.recipe.requirements, *self.packages]))

    @property
    def name(self) -> str:
        """The same for the same content, on every machine of a kind."""
        parts = [self.python, self.variant, self.recipe.torch, *self.requirements, "without", *self.recipe.without]
        content = "\n".join([*parts, self.lock.read_text(encoding="utf-8")])
        return f"{self.backend}-{self.variant}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def packages_of(config: EnvironmentConfig, folder: Path) -> tuple[str, ...]:
    """The requirements that an entry adds: those of its mapping, and those of the file in its `folder`.

    Raises:
        ConfigurationError: the file can't be read, or holds more than requirements.
    """
    return packages([*config.packages, *(_requirements(folder / config.requirements) if config.requirements else ())])


def packages(requirements: Iterable[str]) -> tuple[str, ...]:
    """Requirements as a record holds them: sorted, each once."""
    return tuple(sorted({requirement.strip() for requirement in requirements if requirement.strip()}))


def _requirements(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"`environment.requirements` names {file}, which can't be read: {reason}.") from None
    wanted = [line.partition(" #")[0].strip() for line in lines]
    for number, line in enumerate(wanted, start=1):
        if line.startswith("-"):
            raise ConfigurationError(
                f"{file}:{number}: {line!r} is an option of pip. The file may hold only requirements, one on each line."
            )
    return [line for line in wanted if line and not line.startswith("#")]
