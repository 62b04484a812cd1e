"""A package's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.clientgen.package import Package, read_interface, write_package
from jubako.clientgen.python.emitter import python_files
from jubako.clientgen.typescript.emitter import typescript_files
from jubako.errors import ConfigurationError
from jubako.routing.interface import ModelInterface
from tests.unit.clientgen.models import NASTY, text_model

ONE, TWO = text_model("one", "chat"), text_model("two", "chat")


def package(*models: ModelInterface, name: str = "my-models", version: str = "0.1.0") -> Package:
    return Package(name=name, version=version, models=models or (ONE, TWO))


@pytest.mark.parametrize("files", [python_files, typescript_files])
def test_a_package_says_what_it_was_made_from(tmp_path: Path, files: Callable[[Package], dict[str, str]]) -> None:
    write_package(files(package(*NASTY)), tmp_path / "made")
    assert read_interface(tmp_path / "made") == NASTY


def test_an_installed_package_says_so_too(tmp_path: Path) -> None:
    write_package(python_files(package()), tmp_path / "made")
    assert read_interface(tmp_path / "made" / "src" / "my_models") == [ONE, TWO]


def test_a_package_takes_the_place_of_one_that_was_made_before(tmp_path: Path) -> None:
    write_package(python_files(package()), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write_package(python_files(package(TWO, version="0.2.0")), tmp_path)
    assert not (tmp_path / "src" / "my_models" / "one.py").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert read_interface(tmp_path) == [TWO]


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "mine.py").write_text("")
    with pytest.raises(ConfigurationError, match="did not make it"):
        write_package(python_files(package()), tmp_path)
    with pytest.raises(ConfigurationError, match="no package"):
        read_interface(tmp_path)


def test_a_broken_interface_is_named(tmp_path: Path) -> None:
    write_package(typescript_files(package()), tmp_path)
    (tmp_path / "interface.json").write_text('{"format": 2, "models": []}')
    with pytest.raises(ConfigurationError, match=r"interface\.json can't be read"):
        read_interface(tmp_path)


@pytest.mark.parametrize("name", ["", "My-Models", "my_models", "-models", "1st", "@org/models", "mö"])
def test_a_name_that_no_package_can_have(name: str) -> None:
    with pytest.raises(ConfigurationError, match="can't have the name"):
        package(name=name)


@pytest.mark.parametrize("version", ["", "1", "1.0", "1.0.0rc1"])
def test_a_version_that_is_none(version: str) -> None:
    with pytest.raises(ConfigurationError, match="three numbers"):
        package(version=version)
