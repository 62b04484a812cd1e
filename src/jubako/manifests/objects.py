"""Objects of a manifest as builtins, and as YAML that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import yaml

Object: TypeAlias = Mapping[str, object]
"""A mapping of strings, numbers, booleans, lists and mappings."""


def as_yaml(objects: Iterable[Object], heading: str = "") -> str:
    """YAML with a document for each object, fields in the order in which they were given; `heading` goes before, as comments."""
    documents = [
        yaml.dump(without_nothing(each), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True) for each in objects
    ]
    return "".join(f"# {line}\n" for line in heading.splitlines()) + "---\n".join(documents)


def without_nothing(value: Object) -> dict[str, object]:
    """`value` without the fields that are None, at any depth."""
    return {name: _kept(each) for name, each in value.items() if each is not None}


def _kept(value: object) -> object:
    if isinstance(value, Mapping):
        return without_nothing(value)
    return [_kept(each) for each in value] if isinstance(value, list) else value


class _Plain(yaml.SafeDumper):
    """Writes lists indented, and what stands in two places twice instead of by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True
