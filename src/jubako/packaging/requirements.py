"""The packages of a bento's image that its service does not bring itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jubako.environments.uv import Say
from jubako.environments.wanted import packages_of
from jubako.errors import ConfigurationError
from jubako.packaging.entries import Part
from jubako.packaging.lock import resolved
from jubako.packaging.locks import lock_for, pins
from jubako.packaging.system import package_name
from jubako.repository.config import EnvironmentConfig
from jubako.repository.model import Version


def more_packages(parts: Sequence[Part], say: Say) -> list[str]:
    """What the image needs besides the lock of its service: the engines of other models, and what models' own code asks for.

    Args:
        parts: The first is the one for which the service is.

    Raises:
        ConfigurationError: it can't be in one image; the message says what stands against it.
    """
    own = pins(lock_for(parts[0].model.config.backend))
    engines = [pin for part in parts[1:] for pin in pins(lock_for(part.model.config.backend))]
    asked = list(dict.fromkeys(requirement for part in parts for requirement in _asked(part)))
    together = list(dict.fromkeys([*own, *engines, *asked]))
    if set(together) <= set(own):
        return []
    try:
        # The locks agree in all that they share, or the models can't share an image.
        found = resolved(together, own, say) if asked else _agreeing(together)
    except ConfigurationError as error:
        raise ConfigurationError(f"The models can't share an image.\n{error.message}") from None
    return [pin for pin in found if pin not in set(own)]


def _asked(part: Part) -> Iterator[str]:
    if isinstance(part.model.config.environment, EnvironmentConfig):
        yield from packages_of(part.model.config.environment, part.model.folder)
    for version in part.versions:
        yield from _asked_by(version)


def _asked_by(version: Version) -> Iterator[str]:
    yield from version.engine.get("requirements", ())
    file = version.folder / "requirements.txt"
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            text = line.partition(" #")[0].strip()
            if text and not text.startswith(("#", "-")):
                yield text


def _agreeing(packages: Sequence[str]) -> list[str]:
    versions: dict[str, str] = {}
    for pin in packages:
        other = versions.setdefault(package_name(pin), pin)
        if other != pin:
            raise ConfigurationError(f"One needs {other}, another {pin}.")
    return list(packages)
