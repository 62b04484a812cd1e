"""A client package: what it is made from, and its folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.routing.interface import ModelInterface

Language = Literal["python", "typescript"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

INTERFACE_FILE: Final = "interface.json"
"""In each package: what it was made from."""

SHORT: Final = 80
"""Characters of a list in that file that is on one line."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Interface(Struct, frozen=True, kw_only=True):
    """What the file holds."""

    format: Literal[1] = 1
    models: list[ModelInterface]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package to be made.

    Attributes:
        name: Lower-case words with hyphens between them.
        models: By name; of each the interface is known.
    """

    name: str
    version: str
    models: Sequence[ModelInterface]

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigurationError: the name is none for a package, or a version is none.
        """
        if _NAME.fullmatch(self.name) is None or self.name[0].isdigit():
            raise ConfigurationError(
                f"A package can't have the name {self.name!r}. Use lower-case letters and digits with hyphens "
                "between them, such as search-models, a letter first."
            )
        if re.fullmatch(r"\d+\.\d+\.\d+", self.version) is None:
            raise ConfigurationError(f"{self.version!r} is no version of a package; write three numbers, such as 1.0.0.")

    @property
    def module(self) -> str:
        """The name under which Python imports it."""
        return self.name.replace("-", "_")

    @property
    def interface_text(self) -> str:
        return _layout(msgspec.to_builtins(Interface(models=list(self.models)))) + "\n"


def _layout(value: object, margin: int = 0) -> str:
    """JSON with each member of an object on a line of its own, and lists on one where they are short."""
    inner = margin + 2
    if isinstance(value, dict) and value:
        members = [f"{json.dumps(name, ensure_ascii=False)}: {_layout(each, inner)}" for name, each in value.items()]
        return _on_lines("{", members, "}", margin)
    if isinstance(value, list):
        items = [_layout(each, inner) for each in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) <= SHORT and "\n" not in line else _on_lines("[", items, "]", margin)
    return json.dumps(value, ensure_ascii=False)


def _on_lines(opening: str, items: list[str], closing: str, margin: int) -> str:
    spaces = " " * margin
    lines = ",\n".join(f"{spaces}  {item}" for item in items)
    return f"{opening}\n{lines}\n{spaces}{closing}"


def write_package(found: Mapping[str, str], folder: Path) -> None:
    """Write a package's files into `folder`, in the place of those that are there if it is a package already.

    Raises:
        ConfigurationError: something else is in the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not folder.is_dir() or interface_file(folder) is None:
            raise ConfigurationError(
                f"{folder} is there already, and `jubako client generate` did not make it. Name another with --out."
            )
        shutil.rmtree(folder / "src")
    for name, text in found.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def interface_file(folder: Path) -> Path | None:
    """Where the package in `folder`, or installed as `folder`, says what it was made from; None if it is no such package."""
    return next((file for pattern in ("src", "src/*", ".") for file in sorted(folder.glob(f"{pattern}/{INTERFACE_FILE}"))), None)


def read_interface(folder: Path) -> list[ModelInterface]:
    """What the package in `folder` was made from.

    Raises:
        ConfigurationError: there is no such package.
    """
    file = interface_file(folder)
    if file is None:
        raise ConfigurationError(f"{folder} is no package that `jubako client generate` made: it has no {INTERFACE_FILE}.")
    try:
        return msgspec.json.decode(file.read_bytes(), type=Interface).models
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{file} can't be read: {error}. Make the package again.") from None
