"""Whether the packages that a model's code asks for are there."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from jubako.errors import ConfigurationError

REQUIREMENTS_FILE = "requirements.txt"

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(==\s*(?P<exactly>[^\s;,*]+)\s*)?(;.*|[<>=!~,].*)?$"
)


def check_requirements(folder: Path, more: Sequence[str]) -> None:
    """See that what `folder`'s requirements.txt and `more` ask for is installed: every name, and exactly the version of ``==``.

    Raises:
        ConfigurationError: something is missing or of another version; the message says how to install it.
    """
    file = folder / REQUIREMENTS_FILE
    lines = file.read_text().splitlines() if file.is_file() else []
    missing = [each for each in [*_requirements(lines), *more] if not _is_installed(each)]
    if missing:
        wanted = " ".join(map(shlex.quote, missing))
        raise ConfigurationError(
            f"The model's code needs {', '.join(missing)}, which this environment does not have. "
            f"Install it with: {sys.executable} -m pip install {wanted}"
        )


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
