"""Names of one version of a model: ``model:2`` by its number, ``model@stable`` by an alias of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WITH_VERSION = re.compile(rf"(?P<model>.+)(?::(?P<number>[0-9]+)|@(?P<alias>{_ALIAS.pattern}))", re.DOTALL)

WHAT_AN_ALIAS_IS = (
    "an alias has at most 128 letters, digits, dots, hyphens and underscores, begins with a letter or digit, and is no number"
)
"""How the sentence ends that refuses another."""


@dataclass(frozen=True, slots=True)
class VersionName:
    """A name that ends with a version: `number` says which, or `alias`; the other is empty."""

    model: str
    number: str = ""
    alias: str = ""


def is_alias(name: str) -> bool:
    """Whether a version may have this alias. No number is one: where a protocol asks for a version, it means that version."""
    return _ALIAS.fullmatch(name) is not None and not name.isdecimal()


def version_name(name: str) -> VersionName | None:
    """`name` as one that ends with a version; None if it does not.

    Names of models may hold ``:`` and ``@`` themselves, so whoever asks must have seen that the whole is no model's name.
    """
    found = _WITH_VERSION.fullmatch(name)
    return VersionName(found["model"], found["number"] or "", found["alias"] or "") if found else None


def without_version(name: str) -> str:
    """`name` without the version at its end, where it has one."""
    return found.model if (found := version_name(name)) else name


def name_of(model: str, version: str) -> str:
    """The name of the version that a protocol has in a place of its own: its number, or an alias."""
    return f"{model}@{version}" if is_alias(version) else f"{model}:{version}"
