"""Whether the packages that a model's code asks for are there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from jubako.errors import ConfigurationError

REQUIREMENTS_FILE = "requirements.txt"

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(==\s*(?P<exactly>[^\s;,*]+)\s*)?(;.*|[<>=!~,].*)?$"
)


def check_requirements(model: str, folder: Path, more: Sequence[str]) -> None:
    """See that what `folder`'s requirements.txt and `more` ask for is installed: every name, and exactly the version of ``==``.

    Args:
        model: The entry's name.
        folder: The version's folder.

    Raises:
        ConfigurationError: something is missing or of another version; the message says how to make an environment with it.
    """
    file = folder / REQUIREMENTS_FILE
    lines = file.read_text().splitlines() if file.is_file() else []
    missing_lines, missing_more = ([each for each in some if not _is_installed(each)] for some in (_requirements(lines), more))
    if missing := [*missing_lines, *missing_more]:
        parts = [f"requirements: {folder.name}/{REQUIREMENTS_FILE}"] if missing_lines else []
        parts += [f"packages: [{', '.join(map(_quoted, missing_more))}]"] if missing_more else []
        raise ConfigurationError(
            f"The model's code needs {', '.join(missing)}, which the environment {sys.prefix} does not have. "
            f"Write `environment: {{{', '.join(parts)}}}` into model.yaml, then run: jubako env create {model}"
        )


def _quoted(requirement: str) -> str:
    """As an item of a list in YAML."""
    return requirement if _REQUIREMENT.match(requirement) and not set(requirement) & set(",[]#{}") else f'"{requirement}"'


def _requirements(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        text = line.partition(" #")[0].strip()
        if text and not text.startswith(("#", "-")):
            yield text


def _is_installed(requirement: str) -> bool:
    found = _REQUIREMENT.match(requirement)
    if found is None:
        # A URL or a path: only pip knows what it is called.
        return True
    try:
        version = metadata.version(found["name"])
    except metadata.PackageNotFoundError:
        return False
    return found["exactly"] in (None, version)
