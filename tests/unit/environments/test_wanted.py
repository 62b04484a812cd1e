"""What an environment is to hold, and the name that follows from it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from jubako.environments.wanted import Wanted, packages, packages_of
from jubako.errors import ConfigurationError
from jubako.repository.config import EnvironmentConfig

PLAIN = Wanted(backend="python", variant="any", interpreter="/usr/bin/python3", python="3.11")


def test_the_same_content_has_the_same_name() -> None:
    assert re.fullmatch(r"python-any-[0-9a-f]{12}", PLAIN.name)
    assert msgspec.structs.replace(PLAIN, interpreter="/opt/python").name == PLAIN.name
    assert packages(["b", " a", "b"]) == packages(["a", "b"]) == ("a", "b")


@pytest.mark.parametrize("change", [{"python": "3.12"}, {"packages": ("a==1",)}, {"backend": "onnx", "variant": "cpu"}])
def test_other_content_has_another_name(change: dict[str, str]) -> None:
    assert msgspec.structs.replace(PLAIN, **change).name != PLAIN.name


def test_an_entry_adds_the_packages_that_it_names_and_those_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("# for texts\n\nb==2  # the newest\na>=1; python_version > '3'\n")
    config = EnvironmentConfig(packages=["c", "b==2"], requirements="more.txt")
    assert packages_of(config, tmp_path) == ("a>=1; python_version > '3'", "b==2", "c")


def test_a_file_that_is_not_there_or_no_list_is_said(tmp_path: Path) -> None:
    config = EnvironmentConfig(requirements="more.txt")
    with pytest.raises(ConfigurationError, match=re.escape("more.txt, which can't be read: No such file or directory.")):
        packages_of(config, tmp_path)
    (tmp_path / "more.txt").write_text("a\n--index-url https://example.org\n")
    with pytest.raises(ConfigurationError, match=r"more.txt:2: '--index-url .*' is an option of pip"):
        packages_of(config, tmp_path)
    (tmp_path / "more.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        packages_of(config, tmp_path)
