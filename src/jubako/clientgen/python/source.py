"""Pieces of Python as `ruff format` writes them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
LONGEST_CALL = 100
LONGEST_BESIDE = 60
"""Characters of a string that has other code on its line."""


def quoted(text: str) -> str:
    """A string literal: in double quotes, unless single ones save backslashes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = "".join(_character(character, quote) for character in text)
    return f"{quote}{body}{quote}"


def literal(values: Sequence[str | int]) -> str:
    """A type that is one of the values: on one line, or each on its own."""
    shown = [quoted(value) if isinstance(value, str) else str(value) for value in values]
    if len(shown) == 1:
        return f"Literal[{inside_brackets(shown[0])}]"
    return "\n".join(["Literal[", *(f"    {each}," for each in shown), "]"])


def inside_brackets(text: str, indent: int = 0) -> str:
    """What stands between two brackets, on a line of its own if it is long."""
    spaces = " " * indent
    return text if len(text) <= LONGEST_BESIDE else f"\n{spaces}    {text}\n{spaces}"


def strings(values: Sequence[str]) -> str:
    """A tuple of strings, each on a line of its own."""
    return "\n".join(["(", *(f"    {quoted(value)}," for value in values), ")"])


def listed(names: Iterable[str]) -> str:
    """A list of names, each on a line of its own, in the order in which linters want `__all__`."""
    return "\n".join(["[", *(f"    {quoted(name)}," for name in sorted(names, key=_rank)), "]"])


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order in which linters want those that are imported from one module."""
    return sorted(names, key=lambda name: (_rank(name)[0], natural(name.lower())))


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """For sorting, so that 9 comes before 10."""
    return tuple((word, int(number or -1)) for word, number in re.findall(r"(\D*)(\d*)", name))


def call(name: str, arguments: Sequence[str]) -> str:
    """A call, each argument on a line of its own where one line is too short for them all."""
    line = f"{name}({', '.join(arguments)})"
    if len(arguments) < 2 or len(line) <= LONGEST_CALL:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), ")"])


def prose(text: str, indent: int, first: int = 0) -> str:
    """Text for a docstring, on lines of :data:`WIDTH` characters at most, each but the first indented by `indent`.

    Args:
        first: Characters that stand before it on its first line.
    """
    # What would end the docstring, or be read as an escape in it.
    plain = re.sub(r"\s+", " ", text).strip().replace("\\", "\\\\").replace('"', "'")
    lines = textwrap.wrap(
        plain, WIDTH - indent, initial_indent=" " * max(0, first - indent), break_long_words=False, break_on_hyphens=False
    )
    return f"\n{' ' * indent}".join(lines).lstrip()


def _rank(name: str) -> tuple[int, tuple[tuple[str, int], ...]]:
    """Constants, then classes, then what else there is."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, natural(name)


def _character(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return f"\\{character}"
    if character.isprintable():
        return character
    return repr(character)[1:-1]
