"""A TypeScript package for models: its files, the same each time for the same models."""

from __future__ import annotations

from jubako.clientgen.package import Package
from jubako.errors import Unsupported


def typescript_files(package: Package) -> dict[str, str]:
    """The text of each file, by its path in the package's folder."""
    raise Unsupported("Packages for TypeScript can't be made yet.")
