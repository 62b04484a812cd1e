"""The packages of a bento's image: those of its service, and what its models need besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jubako.environments.uv import Say
from jubako.environments.wanted import packages_of
from jubako.errors import ConfigurationError
from jubako.packaging.entries import Part
from jubako.packaging.lock import TORCH, left_out, resolved
from jubako.packaging.locks import Variant, lock_for, pins
from jubako.packaging.system import package_name
from jubako.repository.config import EnvironmentConfig
from jubako.repository.model import Version


@dataclass(frozen=True)
class Packages:
    """Python packages of an image, as pins.

    Attributes:
        own: Those of the lock of its service.
        more: What it needs besides.
        variant: Which build of PyTorch is among them; None where there is none.
    """

    own: Sequence[str]
    more: Sequence[str]
    variant: Variant | None


def packages_of_image(parts: Sequence[Part], variant: Variant, say: Say) -> Packages:
    """The packages of the image of a bento.

    Args:
        parts: The first is the one for which the service is.

    Raises:
        ConfigurationError: they can't be in one image; the message says what stands against it.
    """
    own = pins(lock_for(parts[0].model.config.backend, variant))
    more = _more_packages(parts, own, variant, say)
    has_torch = TORCH in map(package_name, [*own, *more])
    return Packages(own, more, variant if has_torch else None)


def _more_packages(parts: Sequence[Part], own: Sequence[str], variant: Variant, say: Say) -> list[str]:
    """The engines of other models, and what models' own code asks for."""
    backends = [part.model.config.backend for part in parts]
    engines = [pin for backend in backends[1:] for pin in pins(lock_for(backend, variant))]
    asked = list(dict.fromkeys(requirement for part in parts for requirement in _asked(part)))
    together = list(dict.fromkeys([*own, *engines, *asked]))
    if set(together) <= set(own):
        return []
    try:
        # The locks agree in all that they share, or the models can't share an image.
        without = [name for backend in backends for name in left_out(backend, variant)]
        found = resolved(together, own, say, variant=variant, without=without) if asked else _agreeing(together)
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
