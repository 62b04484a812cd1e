"""Names of models and tensors as identifiers: safe, and the same each time."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

LONGEST = 40
"""Characters that are kept of a name, so that lines stay short."""


def identifiers(names: Iterable[str], kind: str, reserved: Collection[str] = ()) -> dict[str, str]:
    """An identifier for each name.

    A name that is one stays as it is. Of others whatever is neither a letter of ASCII, a digit nor an underscore becomes an
    underscore. Keywords and `reserved` words get an underscore at their end, and of several names with the same identifier the
    later ones, in order, a number.

    Args:
        kind: What the names are of, such as ``input``: begins the identifier where the name gives no beginning.
    """
    wanted = {name: _identifier(name, kind, reserved) for name in sorted(set(names))}
    taken = {name for name, found in wanted.items() if found == name}
    chosen: dict[str, str] = {}
    for name, found in wanted.items():
        chosen[name] = found if found == name else unused(found, taken)
        taken.add(chosen[name])
    return chosen


def class_names(names: Iterable[str], around: Collection[tuple[str, str]], reserved: Collection[str]) -> dict[str, str]:
    """The name of a class for each name, such as ``Smollm2Vllm`` for ``smollm2-vllm``.

    Args:
        around: What stands before and behind the name of a class in the names of what goes with it: none of them is another's.
    """
    taken = set(reserved)
    chosen: dict[str, str] = {}
    for name in sorted(set(names)):
        base = camel(name, "Model")
        number, found = 1, base
        while _family(found, around) & taken:
            number, found = number + 1, f"{base}_{number + 1}"
        taken |= _family(found, around)
        chosen[name] = found
    return chosen


def camel(name: str, fallback: str) -> str:
    """``target_label`` as ``TargetLabel``."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    joined = "".join(word[0].upper() + word[1:] for word in words)[:LONGEST]
    return joined if joined and not joined[0].isdigit() else f"{fallback}{joined}"


def _family(name: str, around: Collection[tuple[str, str]]) -> set[str]:
    return {name, *(f"{before}{name}{behind}" for before, behind in around)}


def unused(name: str, taken: Collection[str]) -> str:
    number, found = 2, name
    while found in taken:
        number, found = number + 1, f"{name}_{number}"
    return found


def _identifier(name: str, kind: str, reserved: Collection[str]) -> str:
    found = re.sub(r"[^A-Za-z0-9_]+", "_", name).lstrip("_")[:LONGEST]
    if not found or found[0].isdigit():
        found = f"{kind}_{found}".rstrip("_")
    if keyword.iskeyword(found) or found in reserved:
        found += "_"
    return found
