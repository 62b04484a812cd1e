"""Where in a configuration dataclass one of pydantic's errors belongs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from jubako.repository.problem import FieldPath

_KEY = "[key]"
"""The last part of the place of a mapping's key, as pydantic writes it."""

_WORDS: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Place:
    """One value of a configuration.

    Attributes:
        path: Where it is, as a file says it: without the marks that pydantic adds for choices between types.
        kind: Its declared type, without ``None`` and bounds.
        is_choice: Whether it may be one of several types, for each of which pydantic reports an error of its own.
        is_key: Whether the error is about the key of a mapping, the last part of `path`.
    """

    path: FieldPath
    kind: Any
    is_choice: bool = False
    is_key: bool = False

    @property
    def expected(self) -> str:
        """What a choice may be, in words."""
        return " or ".join(dict.fromkeys(_in_words(option) for option in get_args(self.kind)))

    @property
    def field_names(self) -> list[str]:
        """The fields that there may be below, if it is a dataclass."""
        return [field.name for field in dataclasses.fields(self.kind)] if dataclasses.is_dataclass(self.kind) else []


def place_of(kind: type, location: tuple[str | int, ...]) -> Place:
    """The place that pydantic calls `location` below the dataclass `kind`."""
    path: FieldPath = ()
    held: Any = kind
    for part in location:
        held = _plain(held)
        if part == _KEY:
            return Place(path, held, is_key=True)
        if get_origin(held) in (Union, UnionType):
            return Place(path, held, is_choice=True)
        path = (*path, part)
        held = _below(held, part)
    return Place(path, _plain(held))


def _below(kind: Any, part: str | int) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _hints(kind).get(str(part))
    arguments = get_args(kind)
    return arguments[-1] if get_origin(kind) in (list, dict) and arguments else None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _plain(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        options = [option for option in get_args(kind) if option is not NoneType]
        return _plain(options[0]) if len(options) == 1 else Union[tuple(options)]  # noqa: UP007 - of as many as there are
    return kind


def _in_words(kind: Any) -> str:
    kind = _plain(kind)
    origin = get_origin(kind)
    if origin is list:
        return f"a list of {_in_words(get_args(kind)[0])}"
    if origin is dict:
        return "a mapping"
    if origin is Literal:
        return "text"
    return _WORDS.get(kind, "a mapping")
