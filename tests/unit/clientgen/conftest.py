"""Packages that are made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jubako.clientgen.package import Package, write_package
from jubako.clientgen.python.emitter import python_files
from tests.unit.clientgen.models import NASTY

MADE = Package(name="nasty-models", version="1.2.3", models=NASTY)


@pytest.fixture(scope="session")
def python_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of :data:`NASTY`; it can be imported as ``nasty_models``."""
    folder = tmp_path_factory.mktemp("generated") / "nasty"
    write_package(python_files(MADE), folder)
    sys.path.append(str(folder / "src"))
    return folder
